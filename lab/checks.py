"""What this machine has of what the lab needs, part by part, with how to get what is missing. Changes nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab import acceleration, engine, image, model, paths, ports, up
from lab.errors import LabError

SETUP = "run `make setup`"


@dataclass(frozen=True, kw_only=True)
class LabPart:
    """One needed thing: whether it is there, in what version, what for, and how to get it where it is not."""

    name: str
    found: bool
    version: str
    why: str
    remedy: str


def check(root: Path) -> list[LabPart]:
    """All parts for the checkout at `root`, in the order in which they are set up."""
    parts: list[LabPart] = []
    for inspect in (_packages, _python, _lock, _engine, _plugins, _programs, _guests, _ports):
        parts.extend(inspect(root))
    return parts


def wanted_packages(text: str) -> dict[str, str]:
    """Debian packages of `lab/packages.txt`: name → what for."""
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: why.strip() for name, why in (line for line in lines if len(line) == 2)}


def _packages(root: Path) -> Iterator[LabPart]:
    wanted = wanted_packages((root / "lab" / "packages.txt").read_text(encoding="utf-8"))
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version}\n", *wanted]
    rows = [line.split() for line in _output(query).splitlines()]
    installed = {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}
    for name, why in wanted.items():
        yield LabPart(
            name=name,
            found=name in installed,
            version=installed.get(name, ""),
            why=why,
            remedy=f"{SETUP}, or `apt-get install {name}`",
        )


def _python(root: Path) -> Iterator[LabPart]:
    version = ".".join(str(number) for number in sys.version_info[:3])
    yield LabPart(
        name="Python 3.11 or newer",
        found=sys.version_info >= (3, 11),
        version=version,
        why="runs everything of tiercast",
        remedy="install python3.11 and python3.11-venv",
    )
    yield LabPart(
        name="virtualenv .venv",
        found=Path(sys.prefix).resolve() == (root / ".venv").resolve(),
        version=version,
        why="the project's own packages",
        remedy=SETUP,
    )


def deviations(lock: str, installed: dict[str, str]) -> list[str]:
    """What differs between a lock file's text and `installed` (canonical name → version), one phrase each."""
    found = []
    for line in lock.splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        name = canonicalize_name(requirement.name)
        if name not in installed:
            found.append(f"{name} is missing")
        elif not requirement.specifier.contains(installed[name], prereleases=True):
            found.append(f"{name} is {installed[name]}, not {requirement.specifier}")
    return found


def _lock(root: Path) -> Iterator[LabPart]:
    found = [(d.metadata["Name"], d.version) for d in importlib.metadata.distributions() if d.metadata["Name"]]
    installed: dict[str, str] = {canonicalize_name(name): version for name, version in found}
    lock = root / "requirements" / "lock.txt"
    differing = deviations(lock.read_text(encoding="utf-8"), installed) if lock.exists() else ["there is no lock file"]
    yield LabPart(
        name="Python packages",
        found=not differing,
        version=f"{len(installed)} installed" if not differing else "; ".join(differing[:3]),
        why="exactly those of requirements/lock.txt",
        remedy=SETUP,
    )


def _engine(_root: Path) -> Iterator[LabPart]:
    cli = engine.cli_on_path()
    folder = engine.cached(paths.cache_directory())
    built = (folder / "pulumi").exists()
    version = f"{cli[1]} on PATH" if cli else f"{engine.VERSION} built from Go modules" if built else ""
    yield LabPart(
        name="Pulumi CLI",
        found=bool(cli or built),
        version=version,
        why="the engine",
        remedy=f"{SETUP}; {engine.GET_ONE}",
    )
    go = shutil.which("go")
    yield LabPart(
        name="Go",
        found=bool(go or cli or built),
        version=_output(["go", "version"]).removeprefix("go version ").strip() if go else "not needed: there is a CLI",
        why="builds the engine where its download can't be reached",
        remedy="install Go 1.26 or newer, or put Pulumi's CLI on PATH",
    )
    host = engine.host_of(cli[0]) if cli else None
    script = (folder / engine.EXEC).exists()
    yield LabPart(
        name="language host",
        found=bool(host or script),
        version=str(host) if host else "the lab's own" if script else "",
        why="runs the program and the policy pack for the engine",
        remedy=SETUP,
    )


def _plugins(_root: Path) -> Iterator[LabPart]:
    for name, (sdk, module) in engine.PLUGINS.items():
        yield LabPart(
            name=f"plugin {name}",
            found=importlib.util.find_spec(f"{module}.__main__") is not None and _version(sdk) != "",
            version=_version(sdk),
            why=f"the engine's resources of {name}",
            remedy=SETUP,
        )
    yield LabPart(
        name="moto",
        found=importlib.util.find_spec("moto") is not None,
        version=_version("moto"),
        why="the lab's AWS",
        remedy=SETUP,
    )


def _programs(_root: Path) -> Iterator[LabPart]:
    for name, program, why in (
        ("libvirtd", "libvirtd", "the lab's hypervisors"),
        ("QEMU", acceleration.EMULATOR, "runs the machines"),
    ):
        text = _output([program, "--version"])
        number = re.search(r"\d+(\.\d+)+", text)
        yield LabPart(
            name=name, found=number is not None, version=number.group(0) if number else "", why=why, remedy=SETUP
        )
    mode = "system, in mount namespaces" if os.geteuid() == 0 else "session, as this user"
    yield LabPart(name="hypervisor mode", found=True, version=mode, why="how the lab starts libvirtd", remedy="")


def _guests(_root: Path) -> Iterator[LabPart]:
    try:
        kernel = image.find_kernel()
        initrd = image.build(kernel, paths.cache_directory() / "image")
    except LabError as error:
        yield LabPart(name="machines' kernel", found=False, version="", why="what the machines boot", remedy=str(error))
        return
    yield LabPart(name="machines' kernel", found=True, version=kernel.name, why="what the machines boot", remedy="")
    verdict = acceleration.decide(kernel, initrd, paths.cache_directory())
    named = "KVM" if verdict.domain_type == "kvm" else "TCG"
    yield LabPart(name="virtualisation", found=True, version=named, why=verdict.reason, remedy="")


def _ports(root: Path) -> Iterator[LabPart]:
    directory = paths.lab_directory(root)
    try:
        lab = model.load(directory)
        base = lab.base_port if lab is not None else ports.choose_base(directory)
    except LabError as error:
        yield LabPart(name="ports", found=False, version="", why="where the lab listens", remedy=str(error))
        return
    port = base + ports.PURPOSES["cloud"][0]
    ours = lab is not None and up.cloud_answers(lab)
    yield LabPart(
        name="ports",
        found=ours or ports.is_free(port),
        version=f"127.0.0.1:{base}-{base + ports.BLOCK - 1}" + (", the lab is up" if ours else ""),
        why="where the lab listens",
        remedy=f"port {port} is taken by another program: end it, or `tiercast lab down` and `lab up --base-port PORT`",
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _output(command: list[str]) -> str:
    """A program's standard output; empty where there is no such program or it does not answer."""
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
