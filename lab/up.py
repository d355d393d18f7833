"""Bring a lab up, say how it is, take it down. Each is safe to repeat; `up` mends what is missing and no more.

Order of `up`: engine → image → choices (ports, domain type), written down → hypervisors → cloud → the stack. Nothing
runs before the choices are written, so `make clean` after an interrupt knows where to look.
"""

from __future__ import annotations

import shutil
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import acceleration, engine, env, hypervisors, image, model, paths, ports, processes, stack, stop
from lab.errors import DaemonFailed, LabError, PortBusy
from lab.model import DomainType, Lab
from lab.progress import Say, silent, step

CLOUD = "cloud"
CLOUD_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a lab is: `parts` maps each daemon to whether it answers, `machines` hypervisors to machine → runs."""

    made: bool
    parts: dict[str, bool]
    machines: dict[str, dict[str, bool]]

    @property
    def up(self) -> bool:
        """True where every daemon answers."""
        return self.made and all(self.parts.values())


def up(
    root: Path | None = None,
    *,
    directory: Path | None = None,
    base_port: int | None = None,
    domain_type: DomainType | None = None,
    say: Say = silent,
) -> Lab:
    """The lab of the checkout at `root`, running. Repeating it changes nothing that already runs.

    Raises:
        LabError: with one sentence about what is missing, busy or failed.
    """
    lab = prepare(root, directory=directory, base_port=base_port, domain_type=domain_type, say=say)
    # The cloud's server takes seconds to load, so it starts first and is waited for last.
    cloud = None if cloud_answers(lab) else _launch_cloud(lab)
    for hypervisor in lab.hypervisors:
        if not hypervisors.answers(hypervisor):
            with step(say, f"Hypervisor {hypervisor.name}", "a libvirt daemon of its own, for the hot tier"):
                hypervisors.start(lab, hypervisor)
    if cloud is not None:
        with step(say, f"Cloud on {lab.cloud_endpoint}", "AWS's API, for the warm and cold tiers"):
            _wait_for_cloud(lab, cloud)
    stack.ensure(lab, say)
    return lab


def prepare(
    root: Path | None = None,
    *,
    directory: Path | None = None,
    base_port: int | None = None,
    domain_type: DomainType | None = None,
    say: Say = silent,
) -> Lab:
    """Everything `up` does before it starts a daemon: choices, engine, wrappers, image, passphrase."""
    root = (root or paths.repository_root()).resolve()
    directory = (directory or paths.lab_directory(root)).resolve()
    cache = paths.cache_directory()
    found = engine.ensure(cache, say)
    kernel = image.find_kernel()
    initrd = image.build(kernel, cache / "image")
    known = model.load(directory)
    lab = _describe(known, root, directory, base_port, domain_type, kernel, initrd, say)
    if known != lab:
        model.save(lab)
    lab.backend.mkdir(parents=True, exist_ok=True)
    stack.write_passphrase(lab.passphrase_file)
    engine.write_programs(found, lab.bin_directory, lab.pulumi_home)
    return lab


def _describe(
    known: Lab | None,
    root: Path,
    directory: Path,
    base_port: int | None,
    domain_type: DomainType | None,
    kernel: Path,
    initrd: Path,
    say: Say,
) -> Lab:
    if known is not None and base_port not in (None, known.base_port):
        raise LabError(
            f"This lab already uses the ports from {known.base_port} on. Run `tiercast lab down`, then "
            f"`tiercast lab up --base-port {base_port}`."
        )
    base = known.base_port if known is not None else ports.choose_base(directory, base_port)
    if domain_type is None and known is not None:
        domain_type = known.domain_type
    if domain_type is None:
        with step(say, "Virtualisation", "does this machine run guests with KVM? A trial guest says"):
            verdict = acceleration.decide(kernel, initrd, paths.cache_directory())
            domain_type = verdict.domain_type
            say(f"    {domain_type}: {verdict.reason}")
    return model.describe(
        root, directory=directory, base_port=base, domain_type=domain_type, kernel=kernel, initrd=initrd
    )


def _launch_cloud(lab: Lab) -> processes.Recorded:
    port = lab.port("cloud")
    if not ports.is_free(port):
        raise PortBusy(port, ports.PURPOSES["cloud"][1])
    return processes.start(
        [sys.executable, "-P", "-m", "lab.cloud", "--port", str(port)],
        name=CLOUD,
        directory=lab.records,
        log=lab.logs / f"{CLOUD}.log",
    )


def _wait_for_cloud(lab: Lab, record: processes.Recorded) -> None:
    log = lab.logs / f"{CLOUD}.log"
    deadline = time.monotonic() + CLOUD_SECONDS
    while not cloud_answers(lab):
        if not processes.is_alive(record):
            raise DaemonFailed("The cloud's server", "ended while it was starting", log)
        if time.monotonic() > deadline:
            raise DaemonFailed("The cloud's server", f"did not answer in {CLOUD_SECONDS:.0f} s", log)
        time.sleep(0.1)


def cloud_answers(lab: Lab) -> bool:
    """True where this lab's own server (and no other program) answers on the cloud's port."""
    record = processes.read_record(lab.records, CLOUD)
    if record is None or not processes.is_alive(record):
        return False
    try:
        with urllib.request.urlopen(f"{lab.cloud_endpoint}/lab/state", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def existing(directory: Path | None = None) -> Lab:
    """The lab made in `directory` (default: this checkout's). Raises LabError where there is none."""
    lab = model.load(directory or paths.lab_directory(paths.repository_root()))
    if lab is None:
        raise LabError("No lab is set up. Run `tiercast lab up`.")
    return lab


def status(directory: Path) -> Status:
    """What runs of the lab in `directory`; asks each daemon."""
    lab = model.load(directory)
    if lab is None:
        return Status(made=False, parts={}, machines={})
    parts = {h.name: hypervisors.answers(h) for h in lab.hypervisors}
    machines = {h.name: hypervisors.machines(h) if parts[h.name] else {} for h in lab.hypervisors}
    return Status(made=True, parts={**parts, CLOUD: cloud_answers(lab)}, machines=machines)


def down(directory: Path) -> list[str]:
    """End the lab's processes and machines and remove its state. Returns the names of what was ended."""
    ended = stop.stop(directory)
    shutil.rmtree(directory, ignore_errors=True)
    return ended


def as_json(lab: Lab) -> dict[str, Any]:
    """The lab for `--json`: its places, ports and hypervisors, plus the endpoint."""
    plain = asdict(lab)
    plain["cloud_endpoint"] = lab.cloud_endpoint
    plain["ports"] = {name: lab.port(name) for name in ports.PURPOSES}
    plain["environment"] = {k: v for k, v in env.environment(lab).items() if k != "PATH"}
    return plain
