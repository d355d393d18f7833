"""Decisions about capacity: pure functions here, all I/O in `adapters`, the pipeline in `loop`, the commands in `cli`."""
