"""Instances that go, one after the other and only after they were drained. What goes is decided elsewhere.

- `drain`: the protocol of draining, and the deregistration from target groups
- `groups`: sizes of groups and the end of single instances, by AWS's APIs
- `roll`: instances of an older launch template are replaced within a bounded surge
"""
