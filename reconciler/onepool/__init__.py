"""One pool of equal instances, walked step by step: predictive distribution → count at a risk → paced to a promise.

Pure: arrays in, arrays out; row t of anything reads demand of rows ≤ t - (1 + lead) only.
"""
