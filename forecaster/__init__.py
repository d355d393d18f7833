"""Forecasts of demand per user and application: history, models, calibration, joint paths.

The rule: pure. Data, clock and random generator are passed in; no files, no network, no processes of its own. Each room
imports only rooms below it (the contract in pyproject.toml). From the top:

- `plbm`: the forecaster itself: train, update, predict, forecast, save and load.
- `hierarchy`: many series as one joint forecast.
- `rolling`: forecasts from every past step, one after another. `tuner`: chooses a series' settings.
- `series`: one series to quantiles and paths. `workload`: what a request costs.
- `models`: the models of the mix. `calendar`: local clock, holidays, events. `history`: demand on a regular grid.
- `parallel`: runs independent tasks. `demand`: the forecast that sizing reads. `errors`: its errors.
"""
