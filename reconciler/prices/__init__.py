"""Prices and bills.

The rule: this package is pure, and an unknown price is an error, never zero.

- `catalogue`: instance types, their sizes and prices
- `age`: how old prices are, and the plan's notes about it
- `billed_fleet`: the billed parts of a stack configuration
- `bill`: cost per hour of a billed fleet
"""
