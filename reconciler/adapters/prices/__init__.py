"""Reads prices and commitments from the world and keeps them.

The rule: an answer that is missing is an error or the kept one with its age, never zero.

- `source`: the source that the fleet names: built-in table, file or AWS
- `aws`: prices and commitments by AWS's APIs
- `cache`: kept prices, fetched again when they are old
- `commitments`: what an AWS account has committed to
"""
