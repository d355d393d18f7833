"""Many series at once: which are modelled by themselves, shares of the rest, and joint forecasts."""
