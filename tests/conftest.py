"""What all tests share: an environment of their own, and reproducible property tests."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from environment import isolate
from hypothesis import HealthCheck, settings

# At import, not in a fixture: test modules import ours, and some of ours read the environment when they are imported.
isolate()
# A shell without job control ignores SIGINT in what it starts in the background, and so would every child of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the generated suite runs, and from which seed."""
    group = parser.getgroup("generated cases")
    group.addoption("--parts", type=int, default=1, help="Parts of the generated suite to run, of ten. Default: 1.")
    group.addoption("--seed", type=int, default=12, help="Seed of the first part; each next part adds 1. Default: 12.")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, with which the same cases come again."""
    return f"generated cases: {config.getoption('parts')} of 10 parts from --seed {config.getoption('seed')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `cases_seed` once per part."""
    if "cases_seed" in metafunc.fixturenames:
        first, parts = metafunc.config.getoption("seed"), metafunc.config.getoption("parts")
        metafunc.parametrize("cases_seed", range(first, first + parts), ids=lambda seed: f"seed {seed}")


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
