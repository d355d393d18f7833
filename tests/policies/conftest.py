"""Facts about stacks that the real program declares, as they are and tampered with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stacks"))

from samples import raw

from policies.judge import judge
from policies.rehearsal import rehearse
from policies.resources import Resource
from policies.rule import Facts, Rule
from policies.wire import read_config
from stacks.contract import canonical, parse

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def facts_of(
    values: Mapping[str, Any] | None = None,
    *,
    now: datetime = NOW,
    files: Mapping[str, str] | None = None,
    change: Callable[[list[Resource]], list[Resource]] = lambda resources: resources,
    declared: Mapping[str, Any] | None = None,
    plain: Mapping[str, str] | None = None,
    encrypted: str = "",
    region: str = "us-east-1",
    pins: Mapping[str, Any] = MappingProxyType({"requirePin": False}),
) -> Facts:
    """Facts of a stack with this configuration.

    `change` edits the resources behind the configuration's back; `declared` is the configuration that the program runs
    with where that is another one. `encrypted`: a key that holds an encrypted value.
    """
    config = raw() if values is None else dict(values)
    resources = rehearse(
        parse(declared if declared is not None else config),
        project="tiercast",
        stack_name="test",
        provider_config={"aws:region": region},
    )
    engine = {f"tiercast:{key}": canonical(value) for key, value in config.items()}
    parsed, fault = read_config(engine)

    def read(address: str) -> bytes:
        if files is None or address not in files:
            raise FileNotFoundError(address)
        return files[address].encode()

    return Facts(
        project="tiercast",
        stack="test",
        resources=tuple(change(list(resources))),
        config=parsed,
        config_fault=fault,
        plain={key: text for key, text in {**engine, **(plain or {})}.items() if key != encrypted},
        now=now,
        read=read,
        pins=pins,
    )


@pytest.fixture
def violations() -> Callable[..., list[str]]:
    """Messages of a rule for a stack; settings are the pack's configuration of the rule."""

    def run(
        rule: Rule[Any], values: Mapping[str, Any] | None = None, *, settings: Any = None, **options: Any
    ) -> list[str]:
        return [v.message for v in judge(rule, facts_of(values, **options), settings or {})]

    return run


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """`facts_of`, for tests that look closer."""
    return facts_of
