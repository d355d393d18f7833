"""PLBM, the forecaster itself: train on history, update, predict, recommend instances, save and load.

The rule: equal state gives an equal forecast, and a saved state is loaded as it was.

- `plbm`: the class. `state`: what it has learned. `scoring`: how its forecasts did since.
- `answers`, `prediction`: what it answers for one user and application.
- `serialise`, `plain`: the state as files. `accuracy`: measures of how good forecasts were.
"""

from forecaster.plbm.plbm import PLBM

__all__ = ["PLBM"]
