"""The domains of hypervisors: asked by libvirt's own client, all hosts at once, each within a time limit.

The URI goes through the client's environment: every user of the machine can read a process's arguments. Passwords come
from libvirt's own `auth.conf` or from SSH keys; nothing is asked on the terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reconciler.adapters.known_secrets import known_secrets
from reconciler.errors import Unavailable
from reconciler.observe.redaction import printable, redacted
from reconciler.observe.world import LiveDomain
from stacks.contract import Hypervisor

#: `virDomainState` → libvirt's own words.
_STATES = {
    0: "no state",
    1: "running",
    2: "blocked",
    3: "paused",
    4: "in shutdown",
    5: "shut off",
    6: "crashed",
    7: "suspended",
}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: `virDomainShutoffReason` and `virDomainPausedReason` → libvirt's own words, by state.
_REASONS = {
    5: ("", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon"),
    3: (
        *(
            "",
            "user",
            "migration",
            "save",
            "dump",
            "I/O error",
            "watchdog",
            "from snapshot",
            "shutting down",
            "snapshot",
        ),
        *("crashed", "starting up", "post-copy", "post-copy failed", "API error"),
    ),
}
_STATE = re.compile(r"^Domain: '(.*)'\n\s+state\.state=(\d+)\n\s+state\.reason=(\d+)", re.MULTILINE)
#: Domains that one command describes: an argument of a process has a limit of 128 KiB.
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class HostRead:
    """Domains of a hypervisor, or why they could not be read. `asked`: false without a client to ask with."""

    domains: tuple[LiveDomain, ...] = ()
    error: str = ""
    asked: bool = True


def read_domains(hypervisors: Sequence[Hypervisor], *, timeout_s: float = 10.0) -> dict[str, HostRead]:
    """Every domain of every hypervisor, by the hypervisor's name. A host that does not answer in time has an error.

    Without libvirt's client (`virsh`) on PATH no host is asked.
    """
    if not hypervisors:
        return {}
    program = shutil.which("virsh")
    if program is None:
        return {h.name: HostRead(error="libvirt's client (virsh) is not installed", asked=False) for h in hypervisors}
    hosts = {h.name: h for h in hypervisors}

    def ask(host: Hypervisor) -> HostRead:
        try:
            return HostRead(domains=_domains(program, host, time.monotonic() + timeout_s))
        except TimeoutError:
            return HostRead(error=f"no answer within {timeout_s:g} s")
        except (ConnectionError, ET.ParseError) as error:
            return HostRead(error=str(error))

    with ThreadPoolExecutor(max_workers=min(32, len(hosts))) as pool:
        return dict(zip(hosts, pool.map(ask, hosts.values()), strict=True))


def virsh(host: Hypervisor, command: str, *, timeout_s: float = 10.0) -> str:
    """What libvirt's client prints for a command (`;` separates several) on one hypervisor.

    Raises:
        Unavailable: the client is not installed, or the hypervisor does not answer in time.
        ConnectionError: the client or the hypervisor refuses; the message is its own, without secrets.
    """
    program = shutil.which("virsh")
    if program is None:
        raise Unavailable(
            "libvirt's client (virsh) is not installed, so no hypervisor can be asked.",
            remedy="Install it (on Debian: libvirt-clients).",
        )
    try:
        return _call(program, host, command, time.monotonic() + timeout_s)
    except TimeoutError:
        raise Unavailable(f"Hypervisor {host.name} gave no answer within {timeout_s:g} s.") from None


def _domains(program: str, host: Hypervisor, until: float) -> tuple[LiveDomain, ...]:
    uuids = _UUID.findall(_call(program, host, "list --all --uuid", until))
    found: list[LiveDomain] = []
    for start in range(0, len(uuids), _AT_ONCE):
        some = uuids[start : start + _AT_ONCE]
        wanted = ["domstats --state --nowait", *(f"dumpxml {uuid}" for uuid in some)]
        text = _call(program, host, "; ".join(wanted), until, partly=True)
        states = {name: (int(state), int(reason)) for name, state, reason in _STATE.findall(text)}
        # A domain that is undefined between the two calls is missing in the second.
        found += [_domain(host.name, one, states) for one in re.findall(r"^<domain .*?^</domain>$", text, _WHOLE)]
    return tuple(found)


_WHOLE = re.MULTILINE | re.DOTALL


def _domain(host: str, text: str, states: dict[str, tuple[int, int]]) -> LiveDomain:
    xml = ET.fromstring(text)
    name = xml.findtext("name", "")
    state, reason = states.get(name, (0, 0))
    words = _REASONS.get(state, ())
    # `memory` is in KiB in what libvirt writes.
    return LiveDomain(
        host=host,
        name=name,
        uuid=xml.findtext("uuid", ""),
        state=_STATES.get(state, "no state"),
        reason=words[reason] if reason < len(words) else "",
        description=xml.findtext("description", ""),
        vcpu=int(xml.findtext("vcpu", "0")),
        memory_mib=int(xml.findtext("memory", "0")) // 1024,
    )


def _call(program: str, host: Hypervisor, command: str, until: float, *, partly: bool = False) -> str:
    """What the client prints. `partly`: one of several commands may fail.

    Raises:
        TimeoutError: the time is up. ConnectionError: the host refused; the message is the client's, without secrets.
    """
    # Of the two URIs virsh reads the first first.
    uri = {"VIRSH_DEFAULT_CONNECT_URI": host.uri, "LIBVIRT_DEFAULT_URI": host.uri, "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [program, "--quiet", command],
        env={**os.environ, **uri},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=max(until - time.monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    finally:
        # An SSH client that libvirt started would keep the pipes open: the whole group ends.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if process.returncode and not (partly and out):
        text = printable(redacted(err, known_secrets(os.environ)))
        lines = [line.removeprefix("error:").strip() for line in text.splitlines() if line.strip()]
        raise ConnectionError(lines[-1] if lines else f"virsh ended with {process.returncode}")
    return out
