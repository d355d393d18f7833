"""From a snapshot to a plan file: the decisions of a run in their order, and what they render to."""
