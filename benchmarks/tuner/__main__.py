"""`python -m benchmarks.tuner`."""

from benchmarks.tuner.run import main

main()
