"""Forecasts walked step by step from past origins: each row knows only what was known then."""
