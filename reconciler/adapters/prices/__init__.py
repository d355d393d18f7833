"""Reading prices and commitments from the world, and keeping them with their age."""
