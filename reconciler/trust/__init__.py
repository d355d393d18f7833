"""How far a forecast is trusted, and how much of a promise is left to use.

The rule: pure; a forecast is judged only by steps that have ended.

- `memory`: what a run leaves for the next
- `feedback`: scores of earlier forecasts → what is trusted now
- `source_silent`: what to plan from when the source of demand does not answer
- `demotion`: the sequential tests, and the rung in use
- `fallback`: the forecasts to fall back on
- `error_budget`: how much of its promise a plan may use
- `pacing`: the risk that keeps a promise over time
- `reasons`: the sentence of each demotion
"""
