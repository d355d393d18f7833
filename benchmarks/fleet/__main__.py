"""`python -m benchmarks.fleet`."""

from benchmarks.fleet.run import main

main()
