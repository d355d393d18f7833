"""How far a forecast is trusted, and how much of a promise is left to use.

The rule: this package is pure, and a forecast is judged only by steps that have ended.

- `memory`: the values that a run keeps for the next one
- `feedback`: scores of earlier forecasts → the forecast that is used now
- `source_silent`: the forecast and groups for a run whose source of demand does not answer
- `demotion`: the sequential tests, and the rung in use
- `fallback`: the fallback forecasts
- `error_budget`: how much of its promise a plan may use
- `pacing`: the risk that keeps a promise over time
- `reasons`: the sentence of each demotion
"""
