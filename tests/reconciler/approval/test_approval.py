"""What was approved is what runs: every difference between the approval and the present is refused and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.approval.binding import Grounds
from reconciler.approval.check import bind, check
from reconciler.errors import InputError, StaleApproval
from reconciler.observe.preview import PolicyViolation, Preview, PreviewStep, StateResource
from reconciler.plan.file import PlanFile, TierLine, parse_plan

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URN = "urn:pulumi:lab::tiercast::aws:autoscaling/group:Group::warm-a"
STEP = PreviewStep(urn=URN, op="update", type="aws:autoscaling/group:Group", keys=("maxSize",), values="8 to 12")

GROUNDS = Grounds(config="c", policies="p", program="s", place={"account": "1"})


def plan_of(**changes: Any) -> PlanFile:
    line = TierLine(tier="warm", kinds={"c7i.large": 2}, before=3, after=2, usd_before=3, usd_after=2, reason="r")
    base: dict[str, Any] = {
        "fleet": "f",
        "stack": "lab",
        "created_at": NOW,
        "valid_until": NOW + timedelta(hours=1),
        "cutoff": NOW,
        "tiers": (line,),
        "classes": (),
        "usd_per_hour_before": 3.0,
        "usd_per_hour_after": 2.0,
        "config": {"tiercast:warm": {"groups": []}},
    }
    return PlanFile(**{**base, **changes}).identified()


def group(size: int = 3) -> StateResource:
    return StateResource(urn=URN, type="aws:autoscaling/group:Group", id="warm-a", inputs={"maxSize": size}, outputs={})


def preview(*steps: PreviewStep) -> Preview:
    return Preview(steps=steps, violations=())


def approved() -> PlanFile:
    return bind(plan_of(), grounds=GROUNDS, preview=preview(STEP), state=[group()], at=NOW)


def present(plan: PlanFile, **changes: Any) -> None:
    base: dict[str, Any] = {
        "grounds": GROUNDS,
        "preview": preview(STEP),
        "state": [group()],
        "newest": None,
        "now": NOW + timedelta(minutes=30),
    }
    check(plan, **{**base, **changes})


def test_an_unchanged_present_is_accepted_and_untouched_resources_do_not_count() -> None:
    other = StateResource(urn=URN + "-b", type="t", id="x", inputs={"a": 1}, outputs={})
    present(approved())
    present(approved(), state=[group(), other])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grounds": replace(GROUNDS, config="x")}, "the stack configuration was edited"),
        ({"grounds": replace(GROUNDS, policies="x")}, "the policy pack or its configuration changed"),
        (
            {"preview": preview(STEP, PreviewStep(urn=URN + "-b", op="delete", type="t:t:T"))},
            "warm-a-b would now also be deleted",
        ),
        ({"preview": preview()}, "warm-a would no longer be updated"),
        (
            {"preview": preview(PreviewStep(urn=URN, op="update", type=STEP.type, keys=("minSize",)))},
            "change in other properties",
        ),
        ({"state": [group(31)]}, "warm-a itself changed after the approval"),
        ({"now": NOW + timedelta(hours=2)}, "was valid until"),
        ({"grounds": replace(GROUNDS, program="x")}, "the program (Pulumi.yaml, stacks/) changed after the approval"),
        ({"grounds": replace(GROUNDS, place={"account": "2"})}, "the account was 1, and is 2"),
        ({"grounds": replace(GROUNDS, place={})}, "the account was 1, and is unknown"),
        ({"preview": preview(replace(STEP, values="8 to 20"))}, "warm-a would be updated with other values"),
        (
            {
                "newest": plan_of(
                    cutoff=NOW + timedelta(hours=1),
                    tiers=(TierLine(tier="warm", kinds={}, before=3, after=3, usd_before=0, usd_after=0, reason=""),),
                )
            },
            "unsafe by the newest forecast: warm would shrink 3 → 2, plan ",
        ),
    ],
)
def test_a_difference_is_refused_and_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(StaleApproval, match=r"Preview and approve again") as caught:
        present(approved(), **changes)
    assert words in str(caught.value)


def test_a_plan_that_was_never_previewed_is_refused() -> None:
    with pytest.raises(StaleApproval, match="never previewed"):
        present(plan_of())


def test_an_edited_plan_file_is_refused_and_a_bound_one_reads_back() -> None:
    plan = approved()
    raw = plan.model_dump(mode="json")
    assert parse_plan(raw, "plan.json") == plan
    raw["config"]["tiercast:warm"] = {"groups": [1]}
    with pytest.raises(InputError, match="the plan was edited"):
        parse_plan(raw, "plan.json")
    with pytest.raises(InputError, match="not a plan file"):
        parse_plan({"a": 1}, "plan.json")


@pytest.mark.parametrize("version", [1, 3])
def test_a_plan_file_of_another_version_is_refused_with_what_to_do(version: int) -> None:
    raw = {**approved().model_dump(mode="json"), "version": version}
    with pytest.raises(
        InputError, match=rf"plan\.json: a plan file of version {version}; expected version 2\. Run `tier"
    ):
        parse_plan(raw, "plan.json")


def test_logical_resources_and_quiet_operations_are_no_change() -> None:
    steps = (
        PreviewStep(urn="a::stack", op="update", type="pulumi:pulumi:Stack"),
        PreviewStep(urn="a::hot", op="create", type="tiercast:stacks:HotTier"),
        PreviewStep(urn="a::x", op="same", type="t:t:T"),
    )
    found = Preview(steps=steps, violations=(PolicyViolation(policy="p", level="advisory", message="m"),))
    assert found.changed == ()
    assert found.refusals == ()


def test_a_clock_before_the_plan_is_refused() -> None:
    with pytest.raises(StaleApproval, match=r"may not be applied before 2026-11-24T12:00.*Set the clock"):
        present(approved(), now=NOW - timedelta(hours=2))


LATER = NOW + timedelta(hours=1)


def line(tier: str, before: int, after: int) -> TierLine:
    return TierLine(tier=tier, kinds={}, before=before, after=after, usd_before=0, usd_after=0, reason="")


def grouped(least: int, ownership: str = "floor") -> dict[str, Any]:
    """A configuration with one warm group of this minimum."""
    size = {"min": least, "desired": least, "max": 9}
    return {"tiercast:warm": {"ownership": ownership, "groups": [{"name": "a", "size": size}]}}


def judged(newest: PlanFile, *, before: int = 3, after: int = 2, **config: Any) -> None:
    """Judge an approved plan that takes warm from `before` to `after` by a newer one; its group runs at a minimum of 4."""
    base = plan_of(tiers=(line("warm", before, after),), **({"config": config["config"]} if config else {}))
    state = [StateResource(urn=URN, type=STEP.type, id="warm-a", inputs={"minSize": 4.0, "maxSize": 9}, outputs={})]
    bound = bind(base, grounds=GROUNDS, preview=preview(STEP), state=state, at=NOW)
    present(bound, newest=newest, state=state)


@pytest.mark.parametrize(("before", "after", "needed"), [(3, 5, 9), (3, 2, 2), (3, 2, 1), (3, 3, 8)])
def test_a_newer_forecast_alone_does_not_void_an_approval(before: int, after: int, needed: int) -> None:
    """Growth, a size that is enough, and one that stays make nothing worse, whatever the newest plan wants."""
    judged(plan_of(cutoff=LATER, tiers=(line("warm", 3, needed),)), before=before, after=after)


def test_an_unsafe_tier_is_refused_with_its_sizes_and_what_is_needed() -> None:
    newest = plan_of(cutoff=LATER, tiers=(line("hot", 5, 9), line("warm", 6, 5)))
    with pytest.raises(StaleApproval) as caught:
        judged(newest, before=6, after=2)
    assert f"unsafe by the newest forecast: warm would shrink 6 → 2, plan {newest.id} needs 5. Preview" in str(
        caught.value
    )


def test_an_older_plan_judges_nothing() -> None:
    judged(plan_of(cutoff=NOW, tiers=(line("warm", 6, 5),)), before=6, after=2)


def test_a_minimum_that_falls_below_what_is_needed_is_refused_though_the_size_stays() -> None:
    newest = plan_of(cutoff=LATER, tiers=(line("warm", 5, 5),), config=grouped(3))
    with pytest.raises(StaleApproval) as caught:
        judged(newest, before=5, after=5, config=grouped(2))
    assert f"the minimum of warm-a would fall 4 → 2, plan {newest.id} needs 3." in str(caught.value)
    judged(newest, before=5, after=5, config=grouped(3))
    judged(newest, before=5, after=5, config=grouped(2, "external"))
