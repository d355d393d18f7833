"""Policy pack: refuses stacks that are too dear, too slow, stale or not what their configuration says.

Rule: nothing is self-attested. Counts come from resource inputs, prices from a catalogue that the pack's configuration
pins by digest, the demand from a file or digest pinned there; the stack's own configuration is checked, never believed.

A policy is one file with a `Rule` (a pure function from `Facts` and settings to violations) and one line in `pack.py`.
Only `wire.py` and `__main__.py` know Pulumi's policy SDK.
"""
