"""The order in which a change is carried out: what is new first, and what goes only when that is ready. Pure.

A change is a sequence of phases, one update of the engine each. A phase either creates or removes, because the engine deletes
at the end of an update without waiting for anything to serve. In most changes the first phase creates everything and the last
one removes the rest. Where the hosts have no room for old and new VMs side by side, there are more phases, each within the
room that the one before has made.

Capacity of VMs is counted in vCPUs. No phase takes a tier below `min(before, after)`, with two exceptions, which are dips and
need their own approval: a full host where a VM has to go before its successor has room, and a VM that the engine replaces in
its slot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.observe.preview import PreviewStep, StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.plan.inventory import Vm, declared, group_size, group_sizes, recorded
from stacks.contract import Ownership, StackConfig, Tier

#: Operations that end something which exists: it goes, or is made anew in its place.
LOSSES = frozenset({"delete", "replace", "create-replacement", "delete-replaced"})


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One update.

    Attributes:
        creates, removes: names of VMs and groups that it makes, and that it ends or makes smaller.
        present: names of the VMs that exist after it.
        last: it leaves the stack as the plan has it. Every earlier phase keeps each group at the larger of both sizes.
    """

    creates: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    present: frozenset[str] = frozenset()
    last: bool = False

    def describe(self) -> str:
        """What it does, in words."""
        words = (("add", self.creates), ("remove", self.removes))
        return ", ".join(f"{word} {', '.join(names)}" for word, names in words if names) or "all other changes"


@dataclass(frozen=True, kw_only=True)
class Dip:
    """A tier's VMs before the change and at its lowest point, for about how many minutes, and why."""

    tier: str
    before: int
    lowest: int
    minutes: int
    why: str

    def describe(self) -> str:
        """The sentence for people."""
        return (
            f"this change lowers ready capacity of {self.tier} from {self.before} to {self.lowest} VMs for about "
            f"{self.minutes} minute{'s' * (self.minutes != 1)}: {self.why}"
        )


@dataclass(frozen=True, kw_only=True)
class ChangeOrder:
    """All phases of a change, and what it costs in ready capacity. `in_place`: VMs that the engine replaces in their slot."""

    phases: tuple[Phase, ...]
    dips: tuple[Dip, ...] = ()
    in_place: frozenset[str] = frozenset()


def schedule(
    config: StackConfig,
    state: Sequence[StateResource],
    steps: Iterable[PreviewStep],
    *,
    boot_seconds: Mapping[str, float],
) -> ChangeOrder:
    """The phases of a change.

    Args:
        config: the stack configuration that the change ends in.
        state: the resources before it.
        steps: what the engine would do in one update.
        boot_seconds: tier → seconds until a VM is ready, for the length of a dip.
    """
    ops: dict[str, set[str]] = {}
    for step in steps:
        if step.type == DOMAIN:
            ops.setdefault(step.name, set()).add(step.op)
    after, before = declared(config), recorded(config, state)
    in_place = frozenset(name for name, found in ops.items() if found & LOSSES and name in after)
    gains, losses = _moved_groups(config, state)
    # A VM that runs again serves like a new one: what goes waits for it.
    gains += sorted(name for name, found in ops.items() if found == {"update"} and name in after)
    yard = _Yard(config, before)
    phases = yard.order(
        [after[name] for name in sorted(ops) if ops[name] == {"create"} and name in after],
        [before[name] for name in sorted(ops) if ops[name] == {"delete"} and name in before],
    )
    if gains:
        if not phases or phases[0].removes:
            phases.insert(0, Phase(present=frozenset(before)))
        phases[0] = replace(phases[0], creates=(*phases[0].creates, *gains))
    if losses or in_place:
        if not phases or phases[-1].creates:
            phases.append(Phase())
        phases[-1] = replace(phases[-1], removes=(*phases[-1].removes, *losses, *sorted(in_place)))
    last = phases.pop() if phases else Phase()
    phases.append(replace(last, present=frozenset(after), last=True))
    dips = _dips(yard.forced, [before[name] for name in sorted(in_place) if name in before], before, boot_seconds)
    return ChangeOrder(phases=tuple(phases), dips=dips, in_place=in_place)


def _moved_groups(config: StackConfig, state: Iterable[StateResource]) -> tuple[list[str], list[str]]:
    """Names of the groups that get more, and of those that get less or go. Sizes that others own do not count."""
    wanted = group_sizes(config)
    held = {r.name: group_size(r) for r in state if r.type == GROUP}
    more, less = sorted(wanted.keys() - held.keys()), sorted(held.keys() - wanted.keys())
    for name in sorted(wanted.keys() & held.keys()):
        ownership, size = wanted[name]
        if ownership is Ownership.EXTERNAL:
            continue
        pairs = [(held[name].min, size.min), (held[name].max, size.max)]
        more += [name] if any(new > old for old, new in pairs) else []
        less += [name] if any(new < old for old, new in pairs) else []
    return more, less


@dataclass
class _Yard:
    """The hosts' free room and the tiers' capacity while VMs come and go."""

    config: StackConfig
    before: Mapping[str, Vm]
    present: dict[str, Vm] = field(init=False)
    forced: list[tuple[Vm, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.present = dict(self.before)

    def order(self, creates: Sequence[Vm], removes: Sequence[Vm]) -> list[Phase]:
        """Phases that create and remove in turn. `forced` then holds the VMs that had to go before there was room for what
        follows, each with the number of VMs that its tier had left."""
        waiting, leaving = list(creates), list(removes)
        least = self._least(creates, removes)
        phases: list[Phase] = []
        while waiting or leaving:
            made = [vm for vm in waiting if self._enter(vm)]
            if not made and not leaving:
                # The plan has placed them, so the host carries them: what it lacks is room that nothing here can make.
                made = list(waiting)
                self.present |= {vm.name: vm for vm in made}
            if made:
                waiting = [vm for vm in waiting if vm not in made]
                phases.append(self._phase(creates=made))
            # Those in the way of what waits go first.
            crowded = {(vm.tier, vm.slot.hypervisor) for vm in waiting}
            leaving.sort(key=lambda vm: ((vm.tier, vm.slot.hypervisor) not in crowded, vm.name))
            gone = [vm for vm in leaving if self._leave(vm, least)]
            if not gone and not made:
                gone = leaving[:1]
                del self.present[gone[0].name]
                self.forced.append((gone[0], sum(vm.tier is gone[0].tier for vm in self.present.values())))
            if gone:
                leaving = [vm for vm in leaving if vm not in gone]
                phases.append(self._phase(removes=gone))
        return phases

    def _phase(self, *, creates: Iterable[Vm] = (), removes: Iterable[Vm] = ()) -> Phase:
        names = [tuple(sorted(vm.name for vm in some)) for some in (creates, removes)]
        return Phase(creates=names[0], removes=names[1], present=frozenset(self.present))

    def _least(self, creates: Sequence[Vm], removes: Sequence[Vm]) -> dict[Tier, int]:
        """Tier → min(before, after) in vCPUs."""
        found = {}
        for tier in Tier:
            now = sum(vm.vcpu for vm in self.before.values() if vm.tier is tier)
            change = sum(vm.vcpu for vm in creates if vm.tier is tier)
            change -= sum(vm.vcpu for vm in removes if vm.tier is tier)
            found[tier] = min(now, now + change)
        return found

    def _enter(self, vm: Vm) -> bool:
        """Put a VM on its host if there is room now."""
        metal = self.config.hot if vm.tier is Tier.HOT else self.config.cold.metal
        host = next((h for h in (metal.hypervisors if metal else ()) if h.name == vm.slot.hypervisor), None)
        mine = [o for o in self.present.values() if (o.tier, o.slot.hypervisor) == (vm.tier, vm.slot.hypervisor)]
        if host is not None and (
            sum(o.vcpu for o in mine) + vm.vcpu > host.cores
            or sum(o.memory_mib for o in mine) + vm.memory_mib > host.memory_mib
        ):
            return False
        self.present[vm.name] = vm
        return True

    def _leave(self, vm: Vm, least: Mapping[Tier, int]) -> bool:
        """Take a VM away if its tier keeps its least capacity."""
        left = sum(o.vcpu for o in self.present.values() if o.tier is vm.tier) - vm.vcpu
        if left < least[vm.tier]:
            return False
        del self.present[vm.name]
        return True


def _dips(
    forced: Sequence[tuple[Vm, int]],
    replaced: Sequence[Vm],
    before: Mapping[str, Vm],
    boot_seconds: Mapping[str, float],
) -> tuple[Dip, ...]:
    """One dip per tier: VMs that go one after the other for lack of room, then those that are replaced at once."""
    dips = []
    for tier in Tier:
        one_by_one = [(vm, left) for vm, left in forced if vm.tier is tier]
        at_once = [vm for vm in replaced if vm.tier is tier]
        if not one_by_one and not at_once:
            continue
        whole = sum(vm.tier is tier for vm in before.values())
        why = []
        if one_by_one:
            hosts = ", ".join(sorted({vm.slot.hypervisor for vm, _ in one_by_one}))
            why.append(f"{hosts} has no room for old and new VMs side by side")
        if at_once:
            why.append(f"the engine replaces {', '.join(vm.name for vm in at_once)} in place")
        rounds = len(one_by_one) + bool(at_once)
        dips.append(
            Dip(
                tier=tier.value,
                before=whole,
                lowest=min([left for _, left in one_by_one] + [whole - len(at_once)]),
                minutes=max(math.ceil(rounds * boot_seconds.get(tier.value, 60.0) / 60), 1),
                why=" and ".join(why),
            )
        )
    return tuple(dips)
