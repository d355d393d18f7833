"""Policy pack: refuses stacks that cost too much, are too slow, are stale or differ from their configuration.

Rule: the pack trusts nothing that a stack states about itself.
- Counts come from resource inputs.
- Prices come from a catalogue whose digest the pack's configuration pins.
- Demand comes from a file or a digest that the pack's configuration pins.
- The stack's configuration is checked against these.

A policy is one file with a `Rule` (a pure function from `Facts` and settings to violations) and one line in `pack.py`.
Only `wire.py` and `__main__.py` know Pulumi's policy SDK.
"""
