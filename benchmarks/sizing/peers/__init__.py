"""Autoscalers that people use, each with one knob, as arrays of counts."""
