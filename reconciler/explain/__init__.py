"""Explains the sizes of a plan and what would change them.

The rule: all figures come from the functions that made the decision.

- `explain`: binding constraints, and the effect of one instance more or less
- `changes`: what changed since the last plan
- `whatif`: the plan under other prices or demand, with a lost host, or without spot
"""
