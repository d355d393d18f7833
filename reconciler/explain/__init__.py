"""Why the sizes are what they are, and what would change them.

The rule: all figures come from the functions that decided.

- `explain`: binding constraints, one instance more or less, what changed since the last plan
- `whatif`: the plan with other prices or demand, a lost host, no spot
"""
