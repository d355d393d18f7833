"""Whether hypervisors answer: asked by libvirt's own client, all at once, each with a time limit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reconciler.adapters.world.domains import virsh
from reconciler.errors import Unavailable
from stacks.contract import Hypervisor


def unreachable(hypervisors: Sequence[Hypervisor], *, timeout_s: float = 10.0) -> dict[str, str]:
    """Name → what went wrong, for those that do not answer; empty where all do.

    Without libvirt's client (`virsh`) on PATH nothing can be asked and all count as answering: the engine will say so.
    """
    if not hypervisors or shutil.which("virsh") is None:
        return {}

    def ask(host: Hypervisor) -> str:
        try:
            virsh(host, "hostname", timeout_s=timeout_s)
        except Unavailable:
            return f"no answer within {timeout_s:g} s"
        except ConnectionError as refused:
            return str(refused)
        return ""

    with ThreadPoolExecutor(max_workers=min(16, len(hypervisors))) as pool:
        said = list(pool.map(ask, hypervisors))
    return {h.name: words for h, words in zip(hypervisors, said, strict=True) if words}


def watch_hosts(config: Mapping[str, Any], skipped: Sequence[str], *, timeout_s: float = 10.0) -> Callable[[], str]:
    """A question for the engine's watch: which hypervisor of the stack configuration no longer answers, in a sentence.

    Args:
        config: the stack configuration by full key. Only hosts that it places VMs on are asked.
        skipped: hosts that are left alone.
        timeout_s: time limit of each question.
    """
    hot, cold = config.get("tiercast:hot") or {}, config.get("tiercast:cold") or {}
    hosts = []
    for metal in (hot, cold.get("metal") or {}):
        used = {slot["hypervisor"] for slot in metal.get("slots") or ()} - set(skipped)
        hosts += [Hypervisor.model_validate(h) for h in metal.get("hypervisors") or () if h["name"] in used]

    def ask() -> str:
        lost = unreachable(hosts, timeout_s=timeout_s)
        names = ", ".join(f"{name} ({why})" for name, why in sorted(lost.items()))
        return f"Hypervisors no longer answer: {names}." if lost else ""

    return ask
