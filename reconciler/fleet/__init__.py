"""The fleet file: what a team declares, read and checked once.

The rule: this package holds the pydantic models of `fleet.yaml` and nothing else. It decides nothing.

- `drift`: the reaction to drift by who made it
- `file`: the whole of fleet.yaml
- `tiers`: the three tiers; `Tiers.of(tier)` is the one list of them
- `guards`: limits on change
- `freezes`: times in which nothing changes
- `stacks`: the part of a fleet file that belongs to one of several stacks
- `types`: strict models, durations, bounded numbers
- `plain_secrets`: refuses a fleet file that holds a secret
"""
