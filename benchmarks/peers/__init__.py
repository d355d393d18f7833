"""Autoscalers that people use, each with one knob, as counts per step from what was known 1 + lead steps before."""
