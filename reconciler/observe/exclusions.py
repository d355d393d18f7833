"""The resources that an update does not touch: their hypervisor does not answer, or their turn comes in a later phase. Pure.

The engine's `--exclude` takes URN globs. `*` matches anything without a colon, `**` matches anything, and a glob must match
the whole URN.

- Host names may be prefixes of each other (`hv-1`, `hv-10`, `hv-1-a`, even `hv-1-001`), so a wildcard after a host's name
  would match other hosts. Each glob below therefore ends in a resource type and a complete resource name.
- The engine refuses a URN without a wildcard if the resource does not exist yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import GROUP
from reconciler.observe.world import slot_of
from stacks.contract import BaseVolume

#: Resource types of one slot in `stacks/metal.py` → the suffix that the resource's name adds to the slot's name.
_OF_A_SLOT = {
    "tiercast:stacks:Machine": "",
    "libvirt:index/domain:Domain": "",
    "libvirt:index/volume:Volume": "-root",
    "libvirt:index/cloudInitDisk:CloudInitDisk": "-seed",
}

_PROVIDER, _VOLUME = "pulumi:providers:libvirt", "libvirt:index/volume:Volume"


def exclusions(
    hosts: Iterable[str], config: Mapping[str, Any], state: Iterable[StateResource], names: Iterable[str] = ()
) -> tuple[str, ...]:
    """URN globs that match everything on `hosts`, and the VMs and groups in `names`, and nothing else.

    Args:
        hosts: hypervisors that must not be touched.
        config: the stack configuration by full key. Its slots may not exist yet.
        names: VMs (`hot-hv-a-001`) and groups (`cold-burst`).
        state: the stack's resources. Their slots may be missing from the configuration.
    """
    held = list(state)
    slots = _configured(config) | _existing(held)
    images = {r.name for r in held if r.type == _VOLUME} | _images(config)
    globs: list[str] = []
    for host in sorted(set(hosts)):
        for tier in ("hot", "cold"):
            prefix = f"{tier}-{host}"
            globs.append(f"**{_PROVIDER}::{prefix}")
            # Without digits: the volume of a stack that an earlier version made.
            globs.append(f"**{_VOLUME}::{prefix}-base")
            image = re.compile(rf"{re.escape(prefix)}-base-[0-9a-f]{{8}}")
            globs += [f"**{_VOLUME}::{name}" for name in sorted(filter(image.fullmatch, images))]
            slot = re.compile(rf"{re.escape(prefix)}-\d{{3}}")
            globs += of_slots(filter(slot.fullmatch, slots))
    for name in sorted(set(names)):
        kinds = _OF_A_SLOT if slot_of(name) else {GROUP: ""}
        globs += [f"**{kind}::{name}{end}" for kind, end in kinds.items()]
    return tuple(dict.fromkeys(globs))


def of_slots(names: Iterable[str]) -> tuple[str, ...]:
    """URN globs that match everything in the named slots and nothing else."""
    return tuple(f"**{kind}::{name}{end}" for name in sorted(names) for kind, end in _OF_A_SLOT.items())


def _configured(config: Mapping[str, Any]) -> set[str]:
    """Names of the slots that the configuration declares."""
    hot = config.get("tiercast:hot") or {}
    cold = (config.get("tiercast:cold") or {}).get("metal") or {}
    return {
        f"{tier}-{slot['hypervisor']}-{slot['number']:03d}"
        for tier, metal in (("hot", hot), ("cold", cold))
        for slot in metal.get("slots", ())
    }


def _images(config: Mapping[str, Any]) -> set[str]:
    """Names that base volumes of the configuration would have on its hosts."""
    hot = config.get("tiercast:hot") or {}
    cold = (config.get("tiercast:cold") or {}).get("metal") or {}
    return {
        f"{tier}-{host['name']}-base-{BaseVolume.model_validate(metal['boot']).version}"
        for tier, metal in (("hot", hot), ("cold", cold))
        if "source" in (metal.get("boot") or {})
        for host in metal.get("hypervisors", ())
    }


def _existing(state: Iterable[StateResource]) -> set[str]:
    """Names of the slots that have a resource."""
    return {r.name.removesuffix(_OF_A_SLOT[r.type]) for r in state if r.type in _OF_A_SLOT}
