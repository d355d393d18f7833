"""Request history on a regular grid: cleaning, gaps, outages, and what was found on the way."""
