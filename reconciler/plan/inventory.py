"""The VMs and groups that a configuration declares, and those that a state records, in one form. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import Observed, observe
from stacks.contract import Flavour, Ownership, Size, Slot, StackConfig, Tier


@dataclass(frozen=True, kw_only=True)
class Vm:
    """A VM as the plan declares it or as the state has it."""

    name: str
    tier: Tier
    slot: Slot
    vcpu: int
    memory_mib: int


def declared(config: StackConfig) -> dict[str, Vm]:
    """Name → VM of the configuration."""
    found = {}
    for tier, metal in ((Tier.HOT, config.hot), (Tier.COLD, config.cold.metal)):
        kinds = {f.name: f for f in metal.flavours} if metal is not None else {}
        for slot in metal.slots if metal is not None else ():
            vm = _vm(tier, slot, kinds)
            found[vm.name] = vm
    return found


def recorded(config: StackConfig, state: Iterable[StateResource]) -> dict[str, Vm]:
    """Name → VM of the state. A size that is no flavour of the configuration is read from its name (`2x512`)."""
    found = {}
    for tier, slots in recorded_slots(config, state).slots.items():
        metal = config.hot if tier is Tier.HOT else config.cold.metal
        kinds = {f.name: f for f in metal.flavours} if metal is not None else {}
        for slot in slots:
            vm = _vm(tier, slot, kinds)
            found[vm.name] = vm
    return found


def recorded_slots(config: StackConfig, state: Iterable[StateResource]) -> Observed:
    """The state's slots, with the flavours of the configuration where a size is one of them."""
    cold = config.cold.metal
    return observe(state, (*config.hot.flavours, *(cold.flavours if cold is not None else ())))


def flavour_named(name: str) -> Flavour:
    """The flavour behind a name that `observe` gives to an unknown size."""
    vcpu, _, memory = name.partition("x")
    return Flavour(name=name, vcpu=int(vcpu), memory_mib=int(memory))


def _vm(tier: Tier, slot: Slot, kinds: Mapping[str, Flavour]) -> Vm:
    kind = kinds[slot.flavour] if slot.flavour in kinds else flavour_named(slot.flavour)
    return Vm(name=slot.name(tier.value), tier=tier, slot=slot, vcpu=kind.vcpu, memory_mib=kind.memory_mib)


def group_sizes(config: StackConfig) -> dict[str, tuple[Ownership, Size]]:
    """Resource name of each declared group → ownership and size."""
    found = {f"warm-{group.name}": (config.warm.ownership, group.size) for group in config.warm.groups}
    return found | {f"cold-{group.name}": (config.cold.ownership, group.size) for group in config.cold.groups}


def group_size(resource: StateResource) -> Size:
    """Minimum, desired and maximum of a group in the state."""
    low, high = (int(resource.inputs.get(key, 0) or 0) for key in ("minSize", "maxSize"))
    desired = resource.outputs.get("desiredCapacity", resource.inputs.get("desiredCapacity", low))
    return Size(min=low, desired=min(max(int(desired or 0), low), high), max=high)
