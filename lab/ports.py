"""Ports of a lab: one block of 100 on 127.0.0.1, the same for a checkout on every run.

The block follows from the state directory's path, so two checkouts rarely meet; where the first choice is taken when a
lab is made, the next free block is used and remembered. The range ends below 32768, where Linux starts to hand out
ports for outgoing connections.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError, PortBusy
from lab.paths import fingerprint

FIRST, BLOCK, BLOCKS = 20000, 100, 120
HOST = "127.0.0.1"

#: What each named port is for, by its place in the block.
PURPOSES = {
    "cloud": (0, "the cloud's API"),
    "balancer": (1, "the balancer's front end"),
    "balancer-stats": (2, "the balancer's statistics"),
    "prometheus": (3, "Prometheus"),
    "load": (4, "the load's metrics"),
}
#: The VM with number n on hypervisor i is forwarded at base + GUESTS + i * GUESTS_PER_HYPERVISOR + n.
GUESTS, GUESTS_PER_HYPERVISOR = 19, 40


def is_free(port: int) -> bool:
    """True where nothing listens on `port` of 127.0.0.1 (a port in TIME_WAIT counts as free)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_base(directory: Path, wanted: int | None = None) -> int:
    """First port of the block for a new lab at `directory`; `wanted` is the user's choice and is used as given.

    Raises:
        PortBusy: where a port of the wanted block is taken.
        LabError: where the wanted port is out of range, or every block is taken.
    """
    if wanted is not None:
        if not 1024 <= wanted <= 65536 - BLOCK:
            raise LabError(
                f"--base-port {wanted}: expected a port from 1024 to {65536 - BLOCK}. The lab uses {BLOCK} ports from there."
            )
        for name, (offset, purpose) in PURPOSES.items():
            if name == "cloud" and not is_free(wanted + offset):
                raise PortBusy(wanted + offset, purpose)
        return wanted
    first = int(fingerprint(directory), 16) % BLOCKS
    for step in range(BLOCKS):
        base = FIRST + (first + step) % BLOCKS * BLOCK
        if all(is_free(port) for port in _probed(base)):
            return base
    raise LabError(
        f"Every block of ports from {FIRST} to {FIRST + BLOCK * BLOCKS} is in use. Choose another with "
        "`tiercast lab up --base-port PORT`."
    )


def _probed(base: int) -> Iterable[int]:
    yield from (base + offset for offset, _ in PURPOSES.values())
    yield from (base + GUESTS + host * GUESTS_PER_HYPERVISOR + 1 for host in range(2))
