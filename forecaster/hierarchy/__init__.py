"""Many series as one joint forecast, at every level from user and application to the total.

The rule: parts are drawn from the paths of the whole, so all levels agree path by path.

- `settings`: how a forecaster of many series works.
- `structure`: which series are modelled. `modelled`: their values, names and priors.
- `nodes`: the forecast of one of them, a pure function of its task.
- `pooled_tail`: the tail's shape, read from all series. `warm_start`: the global net, trained on all series.
- `shares`: shares of the parts. `joint`: joint paths of everything. `levels`: the forecast of one level.
"""
