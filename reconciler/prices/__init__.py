"""Prices and bills.

The rule: pure, and a price that is not known is an error, never zero.

- `catalogue`: facts about instance types and what they cost
- `age`: how old prices are, and what a plan says about it
- `billed_fleet`: what is billed of a stack configuration
- `bill`: its cost per hour
"""
