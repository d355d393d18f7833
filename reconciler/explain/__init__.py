"""Why the sizes are what they are, what would change them, and what a forecast takes in instances."""
