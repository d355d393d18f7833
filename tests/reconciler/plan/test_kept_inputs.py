"""A decision is made again, to the byte, from what is kept of it; all of a snapshot that decides is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from reconciler.guards.clock import GuardTime
from reconciler.guards.order import PastChange
from reconciler.plan.decide import decide
from reconciler.plan.kept_inputs import RunInputs, inputs_of, precision_of, replayed, secrets_in
from reconciler.plan.snapshot import Snapshot
from reconciler.trust.error_budget import ErrorBudget, after_step
from reconciler.trust.memory import KEPT_LEVELS
from stacks.contract import Tier
from tests.reconciler.plan.test_planning import make_snapshot, on_metal


def through_json(inputs: RunInputs) -> RunInputs:
    """The inputs as they come back from a file."""
    return replace(inputs, document=json.loads(json.dumps(inputs.document)))


def differences(snapshot: Snapshot) -> tuple[str, ...]:
    return replayed(through_json(inputs_of(decide(snapshot), seed=3)), location="run").differs


CASES: dict[str, Callable[[], Snapshot]] = {
    "cloud": lambda: make_snapshot(120.0, running=4),
    "own metal": lambda: on_metal(60.0),
    "guards that bind": lambda: make_snapshot(20.0, running=30, step_limit=3),
    "a weekly freeze": lambda: make_snapshot(
        20.0,
        running=30,
        freeze=({"weekly": "Mon 00:00 to Mon 00:00", "timezone": "Europe/Berlin", "why": "a freeze"},),
    ),
    "silent hosts": lambda: replace(on_metal(60.0), unreachable={"b": "no route"}, notes=("a note",)),
    "demoted, first run": lambda: replace(make_snapshot(20.0, running=9), demoted=True, first_run=True, replay=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_same_bytes_come_out_again(case: Callable[[], Snapshot]) -> None:
    assert differences(case()) == ()


def test_error_budget_past_changes_latency_and_clock_decide_again_as_they_did() -> None:
    snapshot = make_snapshot(60.0, running=12)
    budget = after_step(
        ErrorBudget(),
        demand=10.0,
        levels=KEPT_LEVELS,
        forecast=[10.0] * 8,
        missed=0.3,
        promised_share=0.01,
        steps_per_day=288.0,
    )
    name = next(iter(snapshot.fleet.qos))
    moved = replace(
        snapshot,
        error_budgets={name: budget},
        past=(PastChange(at=snapshot.now - timedelta(minutes=3), tier=Tier.WARM, added=2),),
        latency_now_ms={name: 9000.0},
        clock=GuardTime(cooldown=snapshot.now, expiry=snapshot.now + timedelta(minutes=1)),
    )
    assert differences(moved) == ()
    assert decide(moved).plan != decide(snapshot).plan


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0.01, 300.0), st.integers(0, 40))
def test_whatever_the_load_and_the_fleet_the_same_bytes_come_out(rate: float, running: int) -> None:
    assert differences(make_snapshot(rate, running=running)) == ()


def test_a_value_that_was_changed_since_is_named() -> None:
    inputs = through_json(inputs_of(decide(make_snapshot(120.0, running=4)), seed=0))
    document: dict[str, Any] = dict(inputs.document)
    document["fleet"]["tags"] = {"team": "other"}
    (line,) = replayed(replace(inputs, document=document), location="run").differs[:1]
    assert line.startswith("id: ") or "team" in line


def test_paths_of_half_the_precision_are_told_apart() -> None:
    inputs = inputs_of(decide(make_snapshot(120.0, running=4)), seed=0)
    assert precision_of(inputs.paths) == "exact"
    assert precision_of(inputs.paths.astype(np.float32)) == "float32"


def test_another_version_and_a_damaged_document_are_one_sentence() -> None:
    inputs = inputs_of(decide(make_snapshot(20.0, running=2)), seed=0)
    with pytest.raises(InputError, match="have version 9, but this tiercast replays version 1"):
        replayed(replace(inputs, document={**inputs.document, "version": 9}), location="run")
    with pytest.raises(InputError, match="damaged"):
        replayed(replace(inputs, document={**inputs.document, "grouping": {}}), location="run")


def test_a_document_names_what_looks_like_a_secret() -> None:
    inputs = inputs_of(decide(make_snapshot(20.0, running=2)), seed=0)
    assert secrets_in(inputs) == []
    noted = decide(replace(make_snapshot(20.0, running=2), notes=("qemu+ssh://ops:hunter2@a/system",)))
    assert secrets_in(inputs_of(noted, seed=0)) == ["snapshot.notes[0]", "expected.reasons[1]"]


def test_a_fleet_comes_back_from_its_plain_values() -> None:
    fleet = make_snapshot(20.0, running=2).fleet
    document = through_json(inputs_of(decide(make_snapshot(20.0, running=2)), seed=0)).document
    assert parse_fleet(document["fleet"], "fleet.yaml") == fleet
