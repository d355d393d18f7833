"""The engine's reports as plain data.

The rule: this package is pure. It does not call the engine.

- `stack_state`: instances per tier and kind in a stack's state
- `preview`: steps and policy violations of a preview
- `exclusions`: resources that an update does not touch
- `redaction`: removes secrets and control characters from the text of other programs
"""
