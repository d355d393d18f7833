"""Service-level objectives: what load an instance carries within a latency target, and what a fleet would miss.

The rule: pure queueing and probability. Sizing and policies judge by the same functions.
"""
