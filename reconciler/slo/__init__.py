"""Service-level objectives: what load an instance carries within a latency target, and what a fleet would miss.

The rule: pure queueing and probability. Sizing and policies judge by the same functions.

- `service_time`: the distribution of the service time
- `gi_g_1`: one server with any arrivals and services
- `latency`: how long requests wait, and the largest load that keeps a target
- `scenarios`: scenarios that stand for demand quantiles
- `interruptions`: capacity that can vanish
- `assess`: what a fleet gives each QoS class
"""
