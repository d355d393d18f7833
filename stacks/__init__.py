"""The Pulumi program and the definition of its configuration.

Rule: nothing here knows the reconciler, the forecaster or the lab; everything that differs between fleets is a value of
`contract.StackConfig`. The clock is read in `__main__` only.
"""
