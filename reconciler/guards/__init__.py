"""Guards: limits on how much one plan changes. Each one that binds leaves a reason."""
