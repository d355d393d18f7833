"""Prices and bills: the catalogue, and what a fleet costs an hour by it.

The rule: pure, and a price that is not known is an error, never zero.
"""
