"""``python -m lab.plugins.aws [engine address]``: what the ``pulumi-resource-aws`` on PATH runs."""

from __future__ import annotations

import sys
import threading

from lab.plugins.aws.types import provider
from lab.plugins.server import serve

if __name__ == "__main__":
    cancelled = threading.Event()
    sys.exit(serve(provider(cancelled), on_cancel=cancelled.set))
