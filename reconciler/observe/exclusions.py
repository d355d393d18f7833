"""Which resources an update leaves alone because their hypervisor does not answer. Pure.

The engine's `--exclude` takes URN globs: `*` stands for anything without a colon, `**` for anything, and a glob must
match the whole URN. Host names may be prefixes of each other (`hv-1`, `hv-10`, `hv-1-a`, even `hv-1-001`), so a wildcard
after a host's name hits other hosts. Each glob below therefore ends in a resource type and a complete resource name. A
URN without a wildcard would be refused where the resource does not exist yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.observe.preview import StateResource

#: Types of `stacks/metal.py` that one slot has, with the end of each one's name after the slot's.
_OF_A_SLOT = {
    "tiercast:stacks:Machine": "",
    "libvirt:index/domain:Domain": "",
    "libvirt:index/volume:Volume": "-root",
    "libvirt:index/cloudInitDisk:CloudInitDisk": "-seed",
}

#: The same for what one host has.
_OF_A_HOST = {"pulumi:providers:libvirt": "", "libvirt:index/volume:Volume": "-base"}


def exclusions(hosts: Iterable[str], config: Mapping[str, Any], state: Iterable[StateResource]) -> tuple[str, ...]:
    """URN globs of everything on `hosts`, and of nothing else.

    Args:
        hosts: hypervisors to leave alone.
        config: the stack configuration by full key; its slots may not exist yet.
        state: the stack's resources; their slots may be missing from the configuration.
    """
    slots = _configured(config) | _existing(state)
    globs: list[str] = []
    for host in sorted(set(hosts)):
        for tier in ("hot", "cold"):
            prefix = f"{tier}-{host}"
            globs += [f"**{kind}::{prefix}{end}" for kind, end in _OF_A_HOST.items()]
            slot = re.compile(rf"{re.escape(prefix)}-\d{{3}}")
            for name in sorted(filter(slot.fullmatch, slots)):
                globs += [f"**{kind}::{name}{end}" for kind, end in _OF_A_SLOT.items()]
    return tuple(globs)


def _configured(config: Mapping[str, Any]) -> set[str]:
    """Names of the slots that the configuration asks for."""
    hot = config.get("tiercast:hot") or {}
    cold = (config.get("tiercast:cold") or {}).get("metal") or {}
    return {
        f"{tier}-{slot['hypervisor']}-{slot['number']:03d}"
        for tier, metal in (("hot", hot), ("cold", cold))
        for slot in metal.get("slots", ())
    }


def _existing(state: Iterable[StateResource]) -> set[str]:
    """Names of the slots that have a resource."""
    return {r.name.removesuffix(_OF_A_SLOT[r.type]) for r in state if r.type in _OF_A_SLOT}
