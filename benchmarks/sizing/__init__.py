"""One pool and the sizing side by side with peers: cost at a promise, frontiers, latency formulas, speed."""
