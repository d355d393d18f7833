"""Ready capacity while a fleet changes: 30 changes on the lab, sampled every second from outside.

- `site`: a project on a lab of its own, and the plans of its fleet
- `sampler`: what serves, asked every second over HTTP and the cloud's API
- `cases`: the changes
- `run`: all of it, with a line per change
"""
