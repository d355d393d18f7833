"""Forecasts side by side with peers: loss, coverage, speed, and panels."""
