"""Decisions about capacity: pure functions here, I/O in `adapters`, the pipeline in `loop`, the commands in `cli`."""
