"""One pool of equal instances, walked step by step: predictive distribution → count at a risk → paced to a promise.

The rule: pure; arrays in, arrays out; row t of anything reads demand of rows ≤ t - (1 + lead) only.

- `walk`: forecasts and counts as they would have been decided then
- `count`: counts at a price of shortage
- `replay`: what an allocation cost and missed
- `frames`: a backtest as the frames and measures that the command writes
"""
