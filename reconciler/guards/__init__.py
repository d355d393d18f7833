"""Bounds on how much one plan changes.

The rule: pure; guards apply in a fixed order, and each that binds leaves a reason.

- `order`: the guards and their order
- `guarded`: a sizing with the guards applied
- `reasons`: the sentence of each guard
"""
