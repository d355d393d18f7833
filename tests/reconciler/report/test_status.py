"""What `status` says of a tier: planned, declared, recorded, running and ready, and how old each figure is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.observe.stack_state import Observed
from reconciler.observe.world import DeclaredTier, LiveInstance, Reading, World
from reconciler.plan.file import PlanFile, TierLine
from reconciler.report.status import ages, differences, notes, rows, status_json
from stacks.contract import Slot, Tier

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
VM = LiveInstance(tier=Tier.HOT, name="hot-hv-a-001", place="hv-a", kind="small", running=True, ready=True)
SLOTS = tuple(Slot(hypervisor="hv-a", number=n, flavour="small") for n in (1, 2))
WORLD = World(
    declared={
        Tier.HOT: DeclaredTier(low=2, count=2, high=2),
        Tier.WARM: DeclaredTier(low=1, count=2, high=4),
        Tier.COLD: DeclaredTier(low=0, count=0, high=0),
    },
    recorded=Observed(slots={Tier.HOT: SLOTS}),
    instances=(VM, replace(VM, name="hot-hv-a-002")),
    readings=(Reading(source="hv-a", at=NOW - timedelta(seconds=4)),),
)


def line(tier: Tier, count: int) -> TierLine:
    return TierLine(
        tier=tier.value, kinds={}, before=count, after=count, ready=count, usd_before=0, usd_after=0, reason=""
    )


PLAN = PlanFile(
    fleet="f",
    stack="s",
    created_at=NOW - timedelta(hours=2),
    valid_until=NOW,
    cutoff=NOW,
    tiers=(line(Tier.HOT, 2),),
    classes=(),
    usd_per_hour_before=0,
    usd_per_hour_after=0,
    config={},
).identified()


def with_vm(**values: object) -> World:
    return replace(WORLD, instances=(replace(VM, **values), WORLD.instances[1]))  # type: ignore[arg-type]


def test_what_runs_as_planned_differs_in_nothing() -> None:
    assert differences(PLAN, WORLD) == []
    assert rows(PLAN, WORLD) == [["hot", "2", "2", "2", "2", "2"]]


def test_a_vm_that_is_off_is_named_and_does_not_count() -> None:
    world = with_vm(running=False, ready=False, why="it is shut off")
    assert differences(PLAN, world) == [
        "hot: 1 instances are ready, the planned minimum is 2",
        "hot-hv-a-001 does not run: it is shut off",
    ]
    assert rows(PLAN, world)[0][3:] == ["2", "1", "1"]
    failing = with_vm(ready=False, why="its health check failed: it answered 503")
    assert differences(PLAN, failing)[1].startswith("hot-hv-a-001 runs, but is not ready: its health check failed")


def test_a_source_that_does_not_answer_makes_a_figure_unknown_and_is_named() -> None:
    world = replace(
        with_vm(running=None, ready=None, why="hv-a could not be read"),
        readings=(Reading(source="hv-a", at=NOW, error="no answer within 10 s"),),
    )
    assert differences(PLAN, world) == [
        "hot: of 1 instances nothing is known now",
        "hv-a did not answer: no answer within 10 s",
    ]
    assert rows(PLAN, world)[0][4:] == ["1, 1 unknown", "1, 1 unknown"]


def test_offline_the_recorded_figures_decide_and_the_others_are_unknown() -> None:
    unknown = [replace(i, running=None, ready=None, why="not asked") for i in WORLD.instances]
    offline = replace(
        WORLD,
        instances=tuple(unknown),
        readings=(Reading(source="hv-a", at=NOW, error="not asked", asked=False),),
    )
    assert differences(PLAN, offline) == []
    assert rows(PLAN, offline) == [["hot", "2", "2", "2", "unknown", "unknown"]]
    assert status_json(PLAN, offline, offline=True)["tiers"]["hot"] == {
        "planned": 2,
        "declared": {"min": 2, "desired": 2, "max": 2},
        "recorded": 2,
        "running": None,
        "ready": None,
        "unknown": 2,
    }
    assert ages(PLAN, offline, recorded_at=None, now=NOW)[1:] == [
        "recorded: no update has written the state yet",
        "running and ready: not asked",
    ]


def test_each_figure_has_an_age() -> None:
    assert ages(PLAN, WORLD, recorded_at=NOW - timedelta(minutes=9), now=NOW) == [
        f"declared: plan {PLAN.id} made 2 h ago",
        "recorded: state written 9 min ago",
        "running and ready: hv-a: read 4 s ago",
    ]


def test_a_count_within_the_bounds_of_a_scaling_policy_is_a_note() -> None:
    plan = PLAN.model_copy(update={"tiers": (line(Tier.WARM, 2),)})
    group = [replace(VM, tier=Tier.WARM, name=f"i-{n}", place="web") for n in range(3)]
    world = replace(WORLD, instances=tuple(group))
    assert differences(plan, world) == []
    assert notes(plan, world) == ["warm: 3 instances run, 2 are planned; a scaling policy may choose 1 to 4"]
    assert differences(plan, replace(world, instances=(*group, *(replace(g, name=f"{g.name}b") for g in group)))) == [
        "warm: 6 instances run, the planned maximum is 4"
    ]
