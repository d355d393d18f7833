"""A stack file that was edited by hand is shown with its own money and risk, and is never taken for the plan."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.decide import decide
from reconciler.plan.edited import as_edited, counts_of, edits
from reconciler.plan.file import PlanFile
from reconciler.plan.snapshot import Snapshot
from stacks.contract import parse
from tests.reconciler.plan.test_planning import make_snapshot


@pytest.fixture(scope="module")
def seen() -> Snapshot:
    return make_snapshot(200.0, 4)


@pytest.fixture(scope="module")
def plan(seen: Snapshot) -> PlanFile:
    return decide(seen).plan


def held(plan: PlanFile) -> dict[str, Any]:
    """The stack file's `config` as it reads back."""
    return copy.deepcopy(plan.config)


def test_the_plans_own_rendering_has_no_edit(plan: PlanFile) -> None:
    assert edits(plan, held(plan)) == ()


def test_foreign_keys_and_encrypted_values_are_no_edits(plan: PlanFile) -> None:
    config = {**held(plan), "other:key": 1}
    config["tiercast:demand"] = {"secure": "v1:abc"}
    assert edits(plan, config) == ()


def test_counts_of_the_configuration_are_those_of_the_plan(plan: PlanFile) -> None:
    ours = {k.removeprefix("tiercast:"): v for k, v in plan.config.items() if k.startswith("tiercast:")}
    wanted = {f"{line.tier}/{kind}": count for line in plan.tiers for kind, count in line.kinds.items() if count}
    found = {name: count for name, count in counts_of(parse(ours)).items() if count}
    assert found == wanted


def test_an_edited_maximum_is_named_and_priced(plan: PlanFile, seen: Snapshot) -> None:
    config = held(plan)
    size = config["tiercast:warm"]["groups"][0]["size"]
    was, size["max"], size["desired"] = size["max"], size["max"] + 12, size["max"] + 12
    changed = edits(plan, config)
    assert f"tiercast:warm.groups[0].size.max: {was} → {was + 12}" in [e.describe() for e in changed]
    shown = as_edited(plan, config, changed, seen.fleet, seen.catalogue)
    assert shown.edited
    assert shown.usd_per_hour_after > plan.usd_per_hour_after
    assert shown.reasons[0].startswith("edited by hand after the plan: tiercast:warm.groups[0].size.")
    (warm,) = (line for line in shown.tiers if line.tier == "warm")
    assert warm.after == was + 12
    assert warm.reason == "edited by hand"


def test_fewer_instances_show_a_higher_risk(plan: PlanFile, seen: Snapshot) -> None:
    config = held(plan)
    size = config["tiercast:warm"]["groups"][0]["size"]
    size["min"] = size["desired"] = 0
    changed = edits(plan, config)
    shown = as_edited(plan, config, changed, seen.fleet, seen.catalogue)
    before = {c.name: c.expected_share for c in plan.classes}
    assert any(c.expected_share > before[c.name] for c in shown.classes)


def test_a_value_that_the_contract_refuses_is_shown_as_unknown(plan: PlanFile, seen: Snapshot) -> None:
    config = held(plan)
    config["tiercast:warm"]["groups"][0]["size"]["max"] = "many"
    shown = as_edited(plan, config, edits(plan, config), seen.fleet, seen.catalogue)
    assert "Its cost and risk are unknown" in shown.reasons[0]


@given(data=st.data())
def test_any_changed_leaf_is_found(plan: PlanFile, data: st.DataObject) -> None:
    config = held(plan)
    leaves: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            if isinstance(node[key], dict | list) and node[key]:
                walk(node[key])
            else:
                leaves.append((node, key))

    walk(config)
    node, key = data.draw(st.sampled_from(leaves))
    node[key] = "edited by somebody"
    assert len(edits(plan, config)) == 1
