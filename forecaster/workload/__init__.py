"""The cost of a request in vCPU-seconds, memory and network.

The rule: the most specific knowledge is used, and the result names it.

- `costs`: learned from measured events, or from a pool's utilisation.
- `utilisation`: the same for the utilisation that a series carries next to its counts.
"""
