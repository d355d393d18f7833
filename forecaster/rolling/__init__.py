"""Forecasts from every past step, one after another, as replays need them.

The rule: row t of every result reads rows up to t - h only.

- `walk`: one pool's forecasts a few steps and a day ahead, by the models of a plan.
- `recursive`: regressions that learn at every step. `mixture`: one distribution out of many experts.
- `recalibrated`: tail weights that follow how often the tail came true.
"""
