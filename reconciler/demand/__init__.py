"""From history to the demand section of a plan: group by QoS class, forecast, summarise.

The rule: this package is pure, and only `grouping` decides groups.

- `grouping`: which requests belong to which class, and which series are forecast one by one
- `forecaster_settings`: the fleet file → the forecaster's settings
- `trained`: the forecast, by the kept model if it fits the run, else by a new one
- `actuals`: the demand that arrived for each class
- `guessed_kind`: whether a guess of what a row is contradicts the last run
- `outlook`: groups, forecast, current load and data quality at a time
- `classes`: the forecast of groups → joint paths per class
- `section`: the demand section of a plan
- `data_fitness`: whether the data is good enough to scale down
- `lost_data`: which demand has no current data
- `kept_demand`: the last known load for demand without current data
"""
