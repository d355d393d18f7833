"""Demand as plans need it: history grouped by QoS class, forecast, and written as the plan's demand section."""
