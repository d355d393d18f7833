"""Request history on a regular grid, and a finding for everything that was changed on the way.

The rule: missing is not zero, and nothing is changed without a `Finding`. Everything looks backwards only.

- `history`: demand per user, application and step, sparse; sums of pairs.
- `assemble`: builds a history from cells, or from an older history and newer rows. `frame`: from rows in memory.
- `rows`: rows of a series source and the cells made of them. `cleaning`: from the one to the other.
- `grid`: a source's own step and jitter around it.
- `measured`: columns that hold measurements. `retries`: attempts of a request that was counted before.
- `outages`: when a silent event log was down. `censoring`: demand in steps that shed load without counting it.
- `late_rows`: what a source that was read again has to add.
- `quality`: findings and their summary.
"""
