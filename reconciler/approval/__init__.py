"""Whether a plan may be applied without asking again.

The rule: pure; the present is passed in, and every difference from what was approved is named.

- `binding`: what an approval is bound to, and in what the present differs
- `bound_values`: what an envelope stays bound to
- `check`: whether an approved plan may be applied now
- `envelope`: bounds within which scheduled runs may act
"""
