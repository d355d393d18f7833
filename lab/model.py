"""What a lab is: its places, ports and hypervisors. Written at the first `lab up` as `lab.json`, then only read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from lab import paths, ports
from lab.errors import LabError

DomainType = Literal["kvm", "qemu"]

REGION = "us-east-1"
HYPERVISORS = ("hv-a", "hv-b")
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LabHypervisor:
    """One libvirt daemon. The VM with number n answers HTTP on 127.0.0.1 at `base_port` + n, 1 ≤ n ≤ `guests`."""

    name: str
    uri: str
    domain_type: DomainType
    base_port: int
    guests: int
    cores: int
    memory_mib: int
    directory: Path
    socket: Path

    @property
    def images(self) -> Path:
        """The directory behind the storage pool `default`."""
        return self.directory / "images"


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One checkout's lab. `directory` holds state, `run_directory` sockets; every port is on 127.0.0.1."""

    root: Path
    directory: Path
    run_directory: Path
    base_port: int
    domain_type: DomainType
    kernel: Path
    initrd: Path
    hypervisors: tuple[LabHypervisor, ...]
    region: str = REGION
    stack: str = paths.STACK

    @property
    def cloud_endpoint(self) -> str:
        """URL of the lab's AWS API."""
        return f"http://{ports.HOST}:{self.port('cloud')}"

    @property
    def bin_directory(self) -> Path:
        """The lab's programs: plugins, and the CLI where it had to be built."""
        return self.directory / "bin"

    @property
    def pulumi_home(self) -> Path:
        """The engine's home: workspaces, and the lab's provider plugins."""
        return self.directory / "pulumi-home"

    @property
    def logs(self) -> Path:
        """Output of the lab's daemons."""
        return self.directory / "logs"

    @property
    def records(self) -> Path:
        """Records of the lab's processes, see `lab.processes`."""
        return paths.records_directory(self.directory)

    @property
    def backend(self) -> Path:
        """Directory of Pulumi's file backend."""
        return self.directory / "backend"

    @property
    def passphrase_file(self) -> Path:
        """Passphrase of the lab's stack, random. It outlives `lab down`, as the stack file made with it does."""
        return self.directory.with_name(f"{self.directory.name}.passphrase")

    def port(self, name: str) -> int:
        """The port called `name` in `lab.ports.PURPOSES`."""
        return self.base_port + ports.PURPOSES[name][0]

    def hypervisor(self, name: str) -> LabHypervisor:
        """The hypervisor called `name`. Raises LabError where there is none."""
        for hypervisor in self.hypervisors:
            if hypervisor.name == name:
                return hypervisor
        raise LabError(f"The lab has no hypervisor '{name}'; it has {', '.join(h.name for h in self.hypervisors)}.")


def describe(
    root: Path, *, directory: Path, base_port: int, domain_type: DomainType, kernel: Path, initrd: Path
) -> Lab:
    """The lab of the checkout at `root` with everything that follows from these choices; starts and writes nothing."""
    run = paths.run_directory(directory)
    return Lab(
        root=root,
        directory=directory,
        run_directory=run,
        base_port=base_port,
        domain_type=domain_type,
        kernel=kernel,
        initrd=initrd,
        hypervisors=tuple(
            _hypervisor(name, directory, run / name, base_port + offset, domain_type)
            for name, offset in zip(
                HYPERVISORS, range(ports.GUESTS, ports.BLOCK, ports.GUESTS_PER_HYPERVISOR), strict=False
            )
        ),
    )


def _hypervisor(name: str, directory: Path, run: Path, base_port: int, domain_type: DomainType) -> LabHypervisor:
    privileged = os.geteuid() == 0
    socket = run / ("run/libvirt-sock" if privileged else "xdg/libvirt/libvirt-sock")
    return LabHypervisor(
        name=name,
        uri=f"qemu+unix:///{'system' if privileged else 'session'}?socket={socket}",
        domain_type=domain_type,
        base_port=base_port,
        guests=ports.GUESTS_PER_HYPERVISOR - 1,
        cores=16,
        memory_mib=4096,
        directory=directory / "hypervisors" / name,
        socket=socket,
    )


def save(lab: Lab) -> None:
    """Write the lab's choices to `lab.json`, atomically."""
    chosen = {key: asdict(lab)[key] for key in ("root", "directory", "base_port", "domain_type", "kernel", "initrd")}
    text = json.dumps({"version": VERSION, **chosen}, indent=2, default=str) + "\n"
    lab.directory.mkdir(parents=True, exist_ok=True)
    temporary = lab.directory / f".lab.json.{os.getpid()}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(lab.directory / "lab.json")


def load(directory: Path) -> Lab | None:
    """The lab described in `directory`, or None where none was made there yet.

    Raises:
        LabError: where the file is not one that this version wrote.
    """
    path = directory / "lab.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.pop("version") != VERSION:
            raise ValueError("version")
        if raw["domain_type"] not in ("kvm", "qemu"):
            raise ValueError("domain_type")
        return describe(
            Path(raw["root"]),
            directory=Path(raw["directory"]),
            base_port=int(raw["base_port"]),
            domain_type=raw["domain_type"],
            kernel=Path(raw["kernel"]),
            initrd=Path(raw["initrd"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LabError(f"{path} does not describe a lab. Run `make clean`, then start the lab again.") from None
