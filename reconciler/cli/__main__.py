"""`python -m reconciler.cli` is `tiercast`."""

from reconciler.cli import main

main()
