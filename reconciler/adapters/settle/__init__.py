"""Brings a stack to a state that an update can start from. Only commands that apply call it; it changes state and providers.

- `run`: all of it, in order: the backend's lock, pending operations, domains that no state holds
- `backend_lock`: locks that dead updates left in Pulumi's backend
- `checkpoint`: the stack's state as the engine keeps it, read and written whole
- `lookup`: what the world holds under the name of a pending creation
- `removal`: removes what half-finished creations left on hypervisors
"""
