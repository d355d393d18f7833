"""What the engine, the hypervisors and the cloud report, as plain data.

The rule: this package is pure. It calls none of them.

- `stack_state`: instances per tier and kind in a stack's state
- `adopted`: what was adopted and no state holds yet
- `world`: what is declared, recorded, running and ready, and how it was read
- `instances`: from what was read to instances that run or not, that are ready or not
- `serving`: what a plan starts from: recorded instances, and which of them serve
- `ready`: what is not ready yet of the instances that others wait for
- `rolling`: instances of an older launch template, and which leave a group first
- `drift`: who or what made a difference between the state and what there is
- `reaction`: what happens to a difference
- `same_value`: whether two values of a property differ in form only
- `preview`: steps and policy violations of a preview
- `exclusions`: resources that an update does not touch
- `half_created`: what killed and failed updates left behind, and what to do about it
- `engine_faults`: faults around the engine that a person can fix, recognised in its text
- `scarcity`: groups that the cloud can't fill, and what a plan may count on
- `redaction`: removes secrets and control characters from the text of other programs
"""
