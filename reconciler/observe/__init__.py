"""What the engine, the hypervisors and the cloud report, as plain data.

The rule: this package is pure. It calls none of them.

- `stack_state`: instances per tier and kind in a stack's state
- `adopted`: what was adopted and no state holds yet
- `world`: what is declared, recorded, running and ready, and how it was read
- `instances`: from what was read to instances that run or not, that are ready or not
- `serving`: what a plan starts from: recorded instances, and which of them serve
- `preview`: steps and policy violations of a preview
- `exclusions`: resources that an update does not touch
- `redaction`: removes secrets and control characters from the text of other programs
"""
