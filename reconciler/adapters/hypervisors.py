"""Whether hypervisors answer: asked by libvirt's own client, all at once, each with a time limit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stacks.contract import Hypervisor


def unreachable(hypervisors: Sequence[Hypervisor], *, timeout_s: float = 10.0) -> dict[str, str]:
    """Name → what went wrong, for those that do not answer; empty where all do.

    Without libvirt's client (`virsh`) on PATH nothing can be asked and all count as answering: the engine will say so.
    """
    virsh = shutil.which("virsh")
    if virsh is None or not hypervisors:
        return {}

    def ask(hypervisor: Hypervisor) -> str:
        command = [virsh, "--quiet", "--connect", hypervisor.uri, "hostname"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            return f"no answer within {timeout_s:g} s"
        lines = [line.removeprefix("error:").strip() for line in done.stderr.splitlines() if line.strip()]
        return "" if done.returncode == 0 else (lines[-1] if lines else f"virsh ended with {done.returncode}")

    with ThreadPoolExecutor(max_workers=min(16, len(hypervisors))) as pool:
        said = list(pool.map(ask, hypervisors))
    return {h.name: words for h, words in zip(hypervisors, said, strict=True) if words}
