"""What the engine says: resources of a stack, and the steps of a preview, as plain data."""
