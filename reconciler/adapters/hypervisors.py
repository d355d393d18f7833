"""Whether hypervisors answer: asked by libvirt's own client, all at once, each with a time limit.

The URI goes through the client's environment: every user of the machine can read a process's arguments. Passwords come
from libvirt's own `auth.conf` or from SSH keys; nothing is asked on the terminal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from reconciler.adapters.known_secrets import known_secrets
from reconciler.observe.redaction import printable, redacted
from stacks.contract import Hypervisor


def unreachable(hypervisors: Sequence[Hypervisor], *, timeout_s: float = 10.0) -> dict[str, str]:
    """Name → what went wrong, for those that do not answer; empty where all do.

    Without libvirt's client (`virsh`) on PATH nothing can be asked and all count as answering: the engine will say so.
    """
    virsh = shutil.which("virsh")
    if virsh is None or not hypervisors:
        return {}

    secrets = known_secrets(os.environ)

    def ask(hypervisor: Hypervisor) -> str:
        # Of the two virsh reads the first first.
        uri = {"VIRSH_DEFAULT_CONNECT_URI": hypervisor.uri, "LIBVIRT_DEFAULT_URI": hypervisor.uri}
        try:
            done = subprocess.run(
                [virsh, "--quiet", "hostname"],
                env={**os.environ, **uri},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {timeout_s:g} s"
        text = printable(redacted(done.stderr, secrets))
        lines = [line.removeprefix("error:").strip() for line in text.splitlines() if line.strip()]
        return "" if done.returncode == 0 else (lines[-1] if lines else f"virsh ended with {done.returncode}")

    with ThreadPoolExecutor(max_workers=min(16, len(hypervisors))) as pool:
        said = list(pool.map(ask, hypervisors))
    return {h.name: words for h, words in zip(hypervisors, said, strict=True) if words}
