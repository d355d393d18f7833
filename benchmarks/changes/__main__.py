"""`python -m benchmarks.changes`."""

import sys

from benchmarks.changes.run import main

sys.exit(main())
