"""Carry out an approved change phase by phase: create, wait until it serves, drain, remove.

Each phase is one update of the engine. Before it the engine previews the phase with the policy pack, and what it would do must be
part of what was approved. What goes waits until everything that was made and everything that stays is ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.adapters.adopted import read_adopted
from reconciler.adapters.engine import Engine
from reconciler.adapters.files import write_text
from reconciler.adapters.project import Project
from reconciler.adapters.rollout.drain import Drain, TargetGroupDrain
from reconciler.adapters.rollout.groups import GroupSizes
from reconciler.adapters.rollout.roll import Roll
from reconciler.adapters.world.read import read_world
from reconciler.errors import EngineError, PolicyRefused, StaleApproval, Unavailable
from reconciler.observe.preview import Preview, PreviewStep
from reconciler.observe.ready import not_ready
from reconciler.observe.rolling import first_to_go, outdated
from reconciler.observe.world import LiveGroup, World, declared_of, site_of
from reconciler.plan.file import PlanFile
from reconciler.plan.inventory import declared, group_sizes, recorded_slots
from reconciler.plan.phases import ChangeOrder, Phase
from reconciler.plan.render import render
from reconciler.plan.transition import left_for_later, transition
from stacks.contract import Ownership, StackConfig, Tier


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a change waits for what it made to be ready, and between two looks, in seconds; with the clock and the pause."""

    ready_s: float = 600.0
    poll_s: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class ApprovedChange:
    """An approved change.

    Attributes:
        project: the private copy; its stack file is written for each phase.
        config, text: the plan's stack configuration, and the stack file that holds it.
        approved: what the engine would do in one update, as it was approved.
        left_alone, refresh: as `Engine.up`.
    """

    project: Project
    plan: PlanFile
    engine: Engine
    config: StackConfig
    text: str
    approved: Preview
    schedule: ChangeOrder
    left_alone: Sequence[str]
    refresh: bool


def carry_out(
    change: ApprovedChange, *, seen: Callable[[PreviewStep], None], say: Callable[[str], None], patience: Patience
) -> None:
    """All phases, one after the other; then instances of older launch templates are replaced.

    Args:
        seen: called with each step that is done. say: with a line for people.
        patience: how long a phase waits.

    Raises:
        PolicyRefused: a mandatory policy refuses a phase. StaleApproval: a phase would do what was not approved.
        Unavailable: what was made does not become ready in time. Nothing that it should have replaced is removed then.
        EngineError: the engine failed. The message says what was not done, and what the next run does.
    """
    _Run(change=change, seen=seen, say=say, patience=patience).all()


def finish_rolls(change: ApprovedChange, *, say: Callable[[str], None], patience: Patience) -> None:
    """Go on with the rolls that a run which was cut short has left. Errors as `carry_out`."""
    _Run(change=change, seen=lambda _: None, say=say, patience=patience).finish()


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A change that is carried out."""

    change: ApprovedChange
    seen: Callable[[PreviewStep], None]
    say: Callable[[str], None]
    patience: Patience

    def all(self) -> None:
        """As `carry_out`."""
        phases = self.change.schedule.phases
        made: set[str] = set()
        # What did not serve before and is not repaired now is no reason to wait.
        idle = {i.name for i in self._look().instances if i.ready is False} if any(p.removes for p in phases) else set()
        for number, phase in enumerate(phases):
            if len(phases) > 1:
                self.say(f"phase {number + 1} of {len(phases)}: {phase.describe()}")
            try:
                if phase.removes:
                    self._make_way(phase, made, idle - made)
                self._update(phase)
            except (EngineError, Unavailable) as error:
                raise type(error)(f"{error} {_left(phases[number:])}", remedy=error.remedy) from error
            made |= set(phase.creates)
        self.finish()

    def _update(self, phase: Phase) -> None:
        state = self.change.engine.state()
        config = transition(self.change.config, state, self.change.schedule, phase)
        later = left_for_later(self.change.config, state, self.change.approved.steps, self.change.schedule, phase)
        exclude = (*self.change.left_alone, *later)
        write_text(self.change.project.stack_file, self._text_of(config, phase))
        if len(self.change.schedule.phases) > 1:
            self._check(self.change.engine.preview(refresh=self.change.refresh, exclude=exclude), phase)
        done = self.change.engine.up(refresh=self.change.refresh, exclude=exclude, progress=self.seen)
        if done.refusals:
            raise PolicyRefused([f"{v.policy}: {v.message}" for v in done.refusals])

    def _text_of(self, config: StackConfig, phase: Phase) -> str:
        if phase.last:
            return self.change.text
        parts = {
            f"tiercast:{key}": value for key, value in config.to_config().items() if key in ("hot", "warm", "cold")
        }
        parts["tiercast:plan"] = {**config.to_config()["plan"], "phase": True}
        return render(self.change.text, parts, own=frozenset(parts), location=str(self.change.project.stack_file))

    def _check(self, found: Preview, phase: Phase) -> None:
        """Refuse a phase that a policy refuses, or that would do more than was approved."""
        if found.refusals:
            beside = "" if phase.last else " while old and new run side by side"
            raise PolicyRefused([f"{v.policy}{beside}: {v.message}" for v in found.refusals])
        allowed = {(s.op, s.urn) for s in self.change.approved.changed}
        if extra := sorted({f"{s.op} {s.name}" for s in found.changed if (s.op, s.urn) not in allowed}):
            raise StaleApproval(
                f"Plan {self.change.plan.id} is not what would run now: {', '.join(extra)} was not approved."
            )

    def _make_way(self, phase: Phase, made: Collection[str], idle: Collection[str]) -> None:
        """Wait until what was made and what stays is ready, then drain what goes."""
        vms, groups = self._awaited(phase, set(made), set(idle))
        world = self._until_ready(vms, groups)
        leaving = [name for name in phase.removes if name in self._slots(world)]
        if leaving:
            self.say(f"drain    {', '.join(leaving)}: in no target group, nothing to drain")
        if phase.last:
            self._shrink(world)

    def _awaited(self, phase: Phase, made: set[str], idle: set[str]) -> tuple[set[str], dict[tuple[Tier, str], int]]:
        """VMs, and instances per group, that must be ready before the phase removes anything."""
        after = declared(self.change.config)
        going = {name for later in self.change.schedule.phases for name in later.removes}
        losing = {name.partition("-")[0] for name in phase.removes}
        staying = {n for n, vm in after.items() if n in phase.present and n not in going and vm.tier.value in losing}
        vms = {
            n
            for n in (staying - idle) | (made & after.keys())
            if after[n].slot.hypervisor not in self.change.plan.skipped
        }
        groups = {}
        for name, (ownership, size) in group_sizes(self.change.config).items():
            if name in made and ownership is not Ownership.EXTERNAL:
                tier, _, label = name.partition("-")
                groups[Tier(tier), label] = size.desired if ownership is Ownership.EXACT else size.min
        return vms, groups

    def _until_ready(self, vms: set[str], groups: dict[tuple[Tier, str], int]) -> World:
        until, said = self.patience.clock() + self.patience.ready_s, False
        while True:
            world = self._look()
            if not (missing := not_ready(world, vms=vms, groups=groups)):
                return world
            if unasked := [r.error for r in world.readings if r.error and not r.asked]:
                raise Unavailable(f"Nothing can tell whether VMs are ready: {unasked[0]}.")
            if self.patience.clock() >= until:
                raise Unavailable(
                    f"Not ready within {self.patience.ready_s:g} s: {'; '.join(missing)}.",
                    remedy="Fix what is not ready, then plan, preview and apply again.",
                )
            if not said:
                self.say(f"wait     until ready: {'; '.join(missing)}")
                said = True
            self.patience.sleep(self.patience.poll_s)

    def _look(self) -> World:
        """What runs now."""
        state = self.change.engine.state()
        site = site_of(
            self.change.config, self.change.plan.config, project=self.change.project.name, stack=self._stack()
        )
        return read_world(
            site,
            declared=declared_of(self.change.config),
            recorded=recorded_slots(self.change.config, state),
            state=state,
            clock=lambda: datetime.now(UTC),
        )

    def _stack(self) -> str:
        return self.change.project.stack.rpartition("/")[2]

    @staticmethod
    def _slots(world: World) -> set[str]:
        return {slot.name(tier.value) for tier, mine in world.recorded.slots.items() for slot in mine}

    def _drain(self) -> Drain:
        return TargetGroupDrain(
            self.change.plan.config, say=self.say, clock=self.patience.clock, sleep=self.patience.sleep
        )

    def _shrink(self, world: World) -> None:
        """Drain and end the instances that groups lose, so that the engine's update of their sizes ends none by itself."""
        wanted, sizes = group_sizes(self.change.config), GroupSizes(self.change.plan.config)
        for group in world.groups:
            name = f"{group.tier.value}-{group.name}"
            if name not in wanted:
                self._drain()(group.members)
                continue
            ownership, size = wanted[name]
            if ownership is Ownership.EXTERNAL or group.desired <= size.max:
                continue
            leaving = first_to_go(group, group.desired - size.max)
            if group.min > size.min:
                sizes.resize(group.group, min=size.min)
            self._drain()(leaving)
            for one in leaving:
                self.say(f"end      {one.id} of {group.group}")
                sizes.end(one.id)

    def finish(self) -> None:
        """Replace instances of an older launch template, unless AWS does it by an instance refresh, or their group was adopted."""
        warm, cold = self.change.config.warm, self.change.config.cold
        mine = {
            tier
            for tier, groups, ownership, launch in (
                (Tier.WARM, warm.groups, warm.ownership, warm.launch),
                (Tier.COLD, cold.groups, cold.ownership, cold.launch),
            )
            if groups and ownership is not Ownership.EXTERNAL and launch is not None and not launch.instance_refresh
        }
        if not mine:
            return
        adopted = read_adopted(self.change.project).groups
        for group in self._look().groups:
            if group.tier in mine and f"{group.tier.value}-{group.name}" not in adopted and outdated(group):
                Roll(
                    sizes=GroupSizes(self.change.plan.config),
                    drain=self._drain(),
                    look=self._again,
                    settled=self._settled,
                    say=self.say,
                )(group)

    def _again(self, group: LiveGroup) -> LiveGroup:
        found = self._look().group(group.tier, group.name)
        if found is None:
            raise Unavailable(f"{group.group} could not be read.")
        return found

    def _settled(self, group: LiveGroup, count: int) -> str:
        """Wait until a group has so many ready instances; why it has not after the time."""
        until = self.patience.clock() + self.patience.ready_s
        while missing := not_ready(self._look(), vms=(), groups={(group.tier, group.name): count}):
            if self.patience.clock() >= until:
                return "; ".join(missing)
            self.patience.sleep(self.patience.poll_s)
        return ""


def _left(phases: Sequence[Phase]) -> str:
    """What was not done, and what the next run does."""
    removes = [name for phase in phases for name in phase.removes]
    creates = [name for phase in phases for name in phase.creates]
    said = []
    if creates:
        said.append(f"Not completed: {', '.join(creates)}.")
    if removes:
        said.append(f"Not removed: {', '.join(removes)}.")
    return " ".join((*said, "The next run plans from what is there now and finishes the change."))
