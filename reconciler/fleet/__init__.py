"""The fleet file: what a team declares, read and checked once.

The rule: pydantic models of `fleet.yaml` and nothing else; no decision is taken here.

- `file`: all of fleet.yaml
- `tiers`: the three tiers; `Tiers.of(tier)` is the one list of them
- `guards`: bounds on change
- `freezes`: times in which nothing changes
- `types`: strict models, durations, bounded numbers
- `faults`: sentences on what is wrong with a fleet file
- `plain_secrets`: a fleet file holds no secret
"""
