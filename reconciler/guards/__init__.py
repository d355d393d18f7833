"""Limits on how much one plan changes.

The rule: this package is pure. Guards apply in a fixed order, and each one that binds adds a reason.

- `order`: the guards and their order
- `pins`: sizes that a person has set, before all guards
- `guarded`: a sizing with the guards applied
- `clock`: the time that cooldowns count from if the clock can't be trusted
- `reasons`: the sentence of each guard
- `past`: applied changes, from the ledger
"""
