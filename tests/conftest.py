"""What all tests share: an environment of their own, and reproducible property tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from environment import isolate
from hypothesis import HealthCheck, settings

# At import, not in a fixture: test modules import ours, and some of ours read the environment when they are imported.
isolate()

TESTS = Path(__file__).parent

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests must share a process where `make test` spreads them over several (`--dist loadgroup`).

    All that start daemons do, since labs choose their ports and share the checkout's lab; and the tests of a module that
    share a fixture, which would be made again in every process. Every other test runs wherever there is time.
    """
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        if group := _group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group_of(item: pytest.Item) -> str:
    if item.path.is_relative_to(TESTS / "lab") or any(map(item.get_closest_marker, ("lab", "engine"))):
        return "lab"
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs if isinstance(item, pytest.Function) else {}  # noqa: B009
    shared = any(made.scope == "module" for each in definitions.values() for made in each)
    return str(item.path.relative_to(TESTS)) if shared else ""
