"""The stack configuration of a phase that is not the last: what is new beside what is old. Pure.

Everything that goes later is still declared, so that outputs name it and policies count it, and is excluded from the update, so
that the engine leaves it as it is. Groups have the larger of both sizes. The result is derived from the plan and the state; it
is written only into the private copy of an update, never into the project's stack file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.observe.exclusions import of_slots
from reconciler.observe.preview import PreviewStep, StateResource
from reconciler.observe.stack_state import GROUP, MACHINE
from reconciler.plan.inventory import Vm, declared, flavour_named, group_size, recorded
from reconciler.plan.phases import LOSSES, ChangeOrder, Phase
from stacks.contract import (
    Cold,
    ColdGroup,
    DirectKernel,
    Flavour,
    Hypervisor,
    Launch,
    Metal,
    Ownership,
    ReadyPool,
    Size,
    StackConfig,
    Tier,
    Warm,
    WarmGroup,
)

_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def transition(config: StackConfig, state: Sequence[StateResource], found: ChangeOrder, phase: Phase) -> StackConfig:
    """The configuration that one phase of a schedule applies. The last phase applies the plan's own."""
    if phase.last:
        return config
    after, before = declared(config), recorded(config, state)
    old = [before[name] for name in before if name in phase.present and (name not in after or name in found.in_place)]
    new = [after[name] for name in after if name in phase.present and name not in found.in_place]
    cold = _cold(config.cold, state)
    metal = _metal(cold.metal, Tier.COLD, new, old, state)
    return config.model_copy(
        update={
            "hot": _metal(config.hot, Tier.HOT, new, old, state) or Metal(),
            "warm": _warm(config.warm, state),
            "cold": cold.model_copy(update={"metal": metal}),
        }
    )


def left_for_later(
    config: StackConfig,
    state: Sequence[StateResource],
    steps: Iterable[PreviewStep],
    found: ChangeOrder,
    phase: Phase,
) -> tuple[str, ...]:
    """URNs and URN globs of what a phase leaves alone: VMs that go or are replaced later, and all other losses of the change.

    `steps` are those of the whole change in one update.
    """
    if phase.last:
        return ()
    after = declared(config)
    slots = {name for name in recorded(config, state) if name not in after or name in found.in_place}
    mine = slots - phase.present
    held = {r.urn for r in state}
    lost = {s.urn for s in steps if s.op in LOSSES and s.urn in held and not _of_any(s.name, mine)}
    return (*of_slots(slots & phase.present), *sorted(lost))


def _of_any(name: str, slots: Iterable[str]) -> bool:
    """Whether a resource belongs to one of the slots: its own name, or that of its disk or seed."""
    return any(name in {slot, f"{slot}-root", f"{slot}-seed"} for slot in slots)


def _metal(
    metal: Metal | None, tier: Tier, new: Iterable[Vm], old: Iterable[Vm], state: Sequence[StateResource]
) -> Metal | None:
    """The tier's hosts with the VMs of one phase; hosts and sizes that only old VMs have are taken from the state."""
    mine_new, mine_old = ([vm for vm in some if vm.tier is tier] for some in (new, old))
    if metal is None and not mine_old:
        return None
    metal = metal or Metal()
    hosts = {h.name for h in metal.hypervisors}
    kinds = {f.name for f in metal.flavours}
    # A flavour that the plan gave another size keeps its old one under the name of that size.
    sizes: dict[str, Flavour] = {}
    slots = [vm.slot for vm in mine_new]
    for vm in mine_old:
        name = vm.slot.flavour
        if name not in kinds:
            sizes[name] = flavour_named(name)
        slots.append(vm.slot)
    strangers = {vm.slot.hypervisor: vm for vm in mine_old if vm.slot.hypervisor not in hosts}
    return metal.model_copy(
        update={
            "hypervisors": (*metal.hypervisors, *(_host(name, vm, state) for name, vm in sorted(strangers.items()))),
            "flavours": (*metal.flavours, *(sizes[name] for name in sorted(sizes))),
            "slots": tuple(sorted(slots, key=lambda s: (s.hypervisor, s.number))),
            # Nothing boots by it: where the plan declares none, all VMs are old.
            "boot": metal.boot or DirectKernel(kernel="/vmlinuz", initrd="/initrd"),
        }
    )


def _host(name: str, vm: Vm, state: Iterable[StateResource]) -> Hypervisor:
    """A host that the plan no longer has. Its provider is left alone, so that only name and port are read."""
    outputs = next((r.outputs for r in state if r.type == MACHINE and r.name == vm.name), {})
    address, _, port = str(outputs.get("endpoint", "")).rpartition(":")
    base = int(port) - vm.slot.number if port.isdigit() and int(port) - vm.slot.number >= 1024 else None
    return Hypervisor(
        name=name, uri="qemu:///system", cores=vm.vcpu, memory_mib=vm.memory_mib, host=address, base_port=base
    )


def _warm(warm: Warm, state: Sequence[StateResource]) -> Warm:
    held = _held(state, Tier.WARM)
    sizes = _larger(warm.ownership, {f"warm-{g.name}": g.size for g in warm.groups}, held)
    groups = [
        group.model_copy(
            update={"size": sizes[f"warm-{group.name}"], "pool": _pool(group.pool, held.get(f"warm-{group.name}"))}
        )
        for group in warm.groups
    ]
    gone = {name: r for name, r in held.items() if name not in sizes}
    groups += [
        WarmGroup(
            name=name.removeprefix("warm-"),
            instance_type=str(_template_of(r, state).get("instanceType", "")),
            size=group_size(r),
            pool=_pool(None, r),
        )
        for name, r in sorted(gone.items())
    ]
    return warm.model_copy(update={"groups": tuple(groups), "launch": _launch(warm.launch, gone.values(), state)})


def _cold(cold: Cold, state: Sequence[StateResource]) -> Cold:
    held = _held(state, Tier.COLD)
    sizes = _larger(cold.ownership, {f"cold-{g.name}": g.size for g in cold.groups}, held)
    groups = [group.model_copy(update={"size": sizes[f"cold-{group.name}"]}) for group in cold.groups]
    gone = {name: r for name, r in held.items() if name not in sizes}
    groups += [_cold_group(name, r) for name, r in sorted(gone.items())]
    return cold.model_copy(update={"groups": tuple(groups), "launch": _launch(cold.launch, gone.values(), state)})


def _held(state: Iterable[StateResource], tier: Tier) -> dict[str, StateResource]:
    """Name → group of the tier in the state."""
    return {r.name: r for r in state if r.type == GROUP and r.name.startswith(f"{tier.value}-")}


def _larger(ownership: Ownership, wanted: Mapping[str, Size], held: Mapping[str, StateResource]) -> dict[str, Size]:
    """Name → the larger of a group's sizes before and after. A size that another owns stays as the plan has it."""
    found = {}
    for name, size in wanted.items():
        old = group_size(held[name]) if name in held else size
        if ownership is Ownership.EXTERNAL:
            found[name] = size
        elif ownership is Ownership.EXACT:
            most = max(size.desired, old.desired)
            found[name] = Size(min=most, desired=most, max=most)
        else:
            low, high = max(size.min, old.min), max(size.max, old.max)
            found[name] = Size(min=low, desired=max(low, min(size.desired, high)), max=high)
    return found


def _pool(pool: ReadyPool | None, resource: StateResource | None) -> ReadyPool | None:
    """The ready pool that is larger: the plan's, or the one of the state where the plan has a smaller one or none."""
    held: Any = resource.inputs.get("warmPool") if resource is not None else None
    if not isinstance(held, Mapping) or "maxGroupPreparedCapacity" not in held:
        return pool
    old = ReadyPool(
        state=held.get("poolState", "Stopped"),
        min_size=int(held.get("minSize", 0) or 0),
        max_group_prepared_capacity=int(held["maxGroupPreparedCapacity"]),
        reuse_on_scale_in=bool((held.get("instanceReusePolicy") or {}).get("reuseOnScaleIn", True)),
    )
    if pool is None:
        return old
    return pool.model_copy(
        update={"max_group_prepared_capacity": max(pool.max_group_prepared_capacity, old.max_group_prepared_capacity)}
    )


def _cold_group(name: str, resource: StateResource) -> ColdGroup:
    """A group that the plan no longer has, as the state has it."""
    policy: Any = resource.inputs.get("mixedInstancesPolicy") or {}
    overrides = (policy.get("launchTemplate") or {}).get("overrides") or ()
    market = policy.get("instancesDistribution") or {}
    return ColdGroup(
        name=name.removeprefix("cold-"),
        instance_types=tuple(one["instanceType"] for one in overrides if "instanceType" in one),
        size=group_size(resource),
        on_demand_base=int(market.get("onDemandBaseCapacity", 0) or 0),
        on_demand_share_above_base=float(market.get("onDemandPercentageAboveBaseCapacity", 100) or 0) / 100,
        capacity_rebalance=bool(resource.inputs.get("capacityRebalance", False)),
    )


def _launch(launch: Launch | None, gone: Iterable[StateResource], state: Iterable[StateResource]) -> Launch | None:
    """The plan's launch settings; those of a group that goes where the tier has none left."""
    leaving = next(iter(gone), None)
    if launch is not None or leaving is None:
        return launch
    subnets = tuple(str(one) for one in leaving.inputs.get("vpcZoneIdentifiers") or ())
    zones = tuple(str(one) for one in leaving.inputs.get("availabilityZones") or ())
    return Launch(image_id=str(_template_of(leaving, state).get("imageId", "")), subnets=subnets, zones=zones)


def _template_of(group: StateResource, state: Iterable[StateResource]) -> Mapping[str, Any]:
    """Inputs of a group's launch template, which has the group's name."""
    return next((r.inputs for r in state if r.type == _TEMPLATE and r.name == group.name), {})
