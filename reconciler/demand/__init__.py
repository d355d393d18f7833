"""History grouped by QoS class, forecast, and written as the demand section of a plan.

The rule: pure; grouping is decided once, in `grouping`.

- `grouping`: which requests belong to which class, and which series are forecast one by one
- `forecaster_settings`: the fleet file → the forecaster's settings
- `trained`: the forecast by the kept model where it fits, else made anew
- `outlook`: what a history says at a time
- `classes`: the forecast of groups → joint paths per class
- `section`: the demand section of a plan
- `data_fitness`: whether the data is fit to shrink a fleet on
- `lost_data`: which demand has no current data
- `kept_demand`: the last known load in place of what has no current data
"""
