"""What serves, asked every second from outside: each machine's port over HTTP, each group's instances at the cloud's API."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from lab.model import Lab

#: Slots of a hypervisor that are asked, seconds between samples, and seconds that a machine has to answer.
SLOTS, EVERY, PATIENCE = 9, 1.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Seconds since the start, and ready instances by tier."""

    at: float
    ready: Mapping[str, int]


@dataclass(kw_only=True)
class Sampler:
    """Takes a sample a second, in threads of its own, until it is stopped."""

    lab: Lab
    samples: list[Sample] = field(default_factory=list)

    def look(self) -> dict[str, int]:
        """Ready instances by tier, now."""
        ports = [h.base_port + n for h in self.lab.hypervisors for n in range(1, SLOTS + 1)]
        with ThreadPoolExecutor(max_workers=len(ports) + 1) as pool:
            cloud = pool.submit(self._cloud)
            hot = sum(pool.map(_answers, ports))
            return {"hot": hot, **cloud.result()}

    def _cloud(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.lab.cloud_endpoint}/lab/state", timeout=30) as answer:
            groups = json.load(answer)["groups"]
        return {
            tier: sum(
                instance["state"] == "InService"
                for name, group in groups.items()
                if name.startswith(f"{tier}-")
                for instance in group["instances"]
            )
            for tier in ("warm", "cold")
        }

    @contextmanager
    def running(self) -> Iterator[Callable[[], dict[str, int]]]:
        """Sample while the block runs; the value gives the smallest count by tier of the samples so far."""
        self.samples.clear()
        ended, start = threading.Event(), time.monotonic()

        def ask() -> None:
            at = time.monotonic() - start
            self.samples.append(Sample(at=at, ready=self.look()))

        def go() -> None:
            with ThreadPoolExecutor(max_workers=8) as pool:
                while not ended.is_set():
                    pool.submit(ask)
                    ended.wait(EVERY)

        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        try:
            yield self.least
        finally:
            ended.set()
            thread.join(60)

    def least(self) -> dict[str, int]:
        """The smallest count by tier."""
        return {tier: min(s.ready[tier] for s in self.samples) for tier in ("hot", "warm", "cold")}


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False
