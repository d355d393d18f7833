"""The lab's AWS as a process of its own, for the tests that speak to it over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from lab import ports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of a server that belongs to the test module alone."""
    # Below the range of outgoing ports: a client that asks too early there can be connected to itself.
    port = next(p for p in range(23000, 23200) if ports.is_free(p))
    server = subprocess.Popen(
        [sys.executable, "-m", "lab.cloud", "--port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/lab/state", timeout=5).close()
                break
            except (OSError, HTTPException):
                assert server.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(10)
