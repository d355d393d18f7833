"""What all tests share: an environment of their own, and reproducible property tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from environment import isolate
from hypothesis import HealthCheck, settings

# At import, not in a fixture: test modules import ours, and some of ours read the environment when they are imported.
isolate()

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def no_aws_session() -> None:
    """boto3 keeps one session a process with the credentials that it found first: no test inherits another's."""
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """How `make test` spreads the tests over processes; see `workers`."""
    from workers import Scheduling

    return Scheduling(config, log)
