"""What the engine says, as plain data.

The rule: pure; nothing here asks the engine.

- `stack_state`: instances per tier and kind in a stack's state
- `preview`: steps and policy violations of a preview
- `exclusions`: resources that an update leaves alone
- `redaction`: text of other programs without secrets and control characters
"""
