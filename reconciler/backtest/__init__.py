"""Replays the whole fleet: every plan of a past period is decided again from what was known then.

The rule: pure, and it decides by the functions of `tiercast plan`; what was known comes from a function of time.

- `fleet`: a fleet's backtest, as the command writes it
- `replay`: decide, launch, lose, serve, one step after the other
- `stock`: instances of one option through time
- `realised`: how the counts served what was requested
- `foresight`: the counts that knowing the demand would take
- `measures`: cost, violations, regret, elasticity
- `shadow`: how shadow plans would have served what arrived, compared with what ran
- `gate`: whether a replay is worse than a stored one
- `tables`: the files of a backtest as frames
"""
