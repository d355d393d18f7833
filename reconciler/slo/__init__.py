"""Service-level objectives: the load that an instance carries within a latency target, and the share that a fleet misses.

The rule: this package is pure queueing theory and probability. Sizing and policies use the same functions.

- `service_time`: the distribution of the service time
- `gi_g_1`: one server with general arrivals and services
- `latency`: how long requests wait, and the largest load that keeps a target
- `scenarios`: weighted scenarios of demand quantiles
- `interruptions`: interruptions of spot capacity
- `assess`: latency and expected share of each QoS class on a fleet
"""
