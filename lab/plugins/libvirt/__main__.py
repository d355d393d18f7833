"""``python -m lab.plugins.libvirt [engine address]``: what the ``pulumi-resource-libvirt`` on PATH runs."""

from __future__ import annotations

import sys

from lab.plugins.libvirt.types import provider
from lab.plugins.server import serve

if __name__ == "__main__":
    sys.exit(serve(provider()))
