"""The tuning agent against default, calibrated rule and random search."""
