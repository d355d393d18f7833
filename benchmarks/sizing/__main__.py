"""`python -m benchmarks.sizing`."""

from benchmarks.sizing.run import main

main()
