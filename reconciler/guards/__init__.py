"""Bounds on how much one plan changes.

The rule: pure; guards apply in a fixed order, and each that binds leaves a reason.

- `order`: the guards and their order
- `guarded`: a sizing with the guards applied
- `clock`: the time that cooldowns count from where the clock can't be trusted
- `reasons`: the sentence of each guard
- `past`: changes that were applied, from the ledger
"""
