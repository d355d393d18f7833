"""A roll launches before it ends, within its surge, and leaves the group at its sizes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from reconciler.adapters.rollout.roll import Roll
from reconciler.errors import Unavailable
from reconciler.observe.rolling import first_to_go, outdated, surge_of
from reconciler.observe.world import LiveGroup, LiveMember
from stacks.contract import Tier


def member(name: str, version: str = "lt:1", *, spot: bool = False, lifecycle: str = "InService") -> LiveMember:
    return LiveMember(
        id=name,
        instance_type="m5.large",
        zone="a",
        lifecycle=lifecycle,
        healthy=True,
        state="running",
        template=version,
        spot=spot,
    )


@dataclass
class Cloud:
    """A group that launches at once; `ready` False: what it launches never serves."""

    group: LiveGroup
    ready: bool = True
    launched: int = 0
    least: int = 99
    drained: list[str] = field(default_factory=list)

    def resize(self, group: str, *, min: int | None = None, desired: int | None = None, max: int | None = None) -> None:
        desired = self.group.desired if desired is None else desired
        while len(self.group.members) < desired:
            self.launched += 1
            new = member(f"new-{self.launched}", "lt:2", lifecycle="InService" if self.ready else "Pending")
            self.group = replace(self.group, members=(*self.group.members, new))
        kept = self.group.members[:desired]
        self.group = replace(self.group, members=kept, desired=desired, max=self.group.max if max is None else max)

    def end(self, instance: str) -> None:
        assert instance in self.drained
        kept = tuple(m for m in self.group.members if m.id != instance)
        self.group = replace(self.group, members=kept, desired=self.group.desired - 1)
        self.least = min(self.least, len(kept))

    def roll(self) -> int:
        return Roll(
            sizes=self,  # type: ignore[arg-type]
            drain=lambda instances: self.drained.extend(one.id for one in instances),
            look=lambda _: self.group,
            settled=lambda _, count: "" if self.ready else f"{count - 1} of {count} instances ready",
            say=lambda _: None,
        )(self.group)


def group(count: int, *, max: int) -> LiveGroup:
    members = tuple(member(f"old-{n:02d}") for n in range(count))
    return LiveGroup(
        tier=Tier.WARM, name="web", group="warm-web", min=1, desired=count, max=max, members=members, template="lt:2"
    )


def test_every_old_instance_is_replaced_and_never_fewer_run_than_before() -> None:
    cloud = Cloud(group=group(12, max=12))
    assert cloud.roll() == 12
    assert outdated(cloud.group) == ()
    assert cloud.least == 12
    assert (cloud.group.desired, cloud.group.max, len(cloud.group.members)) == (12, 12, 12)


def test_a_roll_stops_where_new_instances_do_not_serve_and_ends_no_old_one() -> None:
    cloud = Cloud(group=group(3, max=4), ready=False)
    with pytest.raises(Unavailable, match="3 instances of the older template still run"):
        cloud.roll()
    assert (len(outdated(cloud.group)), cloud.group.desired, cloud.group.max) == (3, 3, 4)
    assert cloud.drained == []


def test_a_surge_is_a_tenth_and_at_least_one() -> None:
    assert [surge_of(group(n, max=99)) for n in (1, 10, 11, 40)] == [1, 1, 2, 4]


def test_what_does_not_serve_goes_first_then_old_templates_then_spot() -> None:
    members = (
        member("a", "lt:2"),
        member("b", "lt:2", spot=True),
        member("c", "lt:1"),
        member("d", "lt:2", lifecycle="Pending"),
    )
    mixed = replace(group(0, max=9), members=members, desired=4)
    assert [one.id for one in first_to_go(mixed, 4)] == ["d", "c", "b", "a"]
    assert first_to_go(replace(mixed, members=(replace(members[0], protected=True),)), 1) == ()
