"""Parts of the contract for VMs on named hypervisors (libvirt)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.contract_base import ContractModel, Label, Ownership, Positive, canonical


class Hypervisor(ContractModel):
    """One libvirt host."""

    name: Label
    uri: str = Field(description="libvirt URI; one with credentials belongs in a secret.")
    cores: Positive
    memory_mib: Positive
    host: str = Field(default="", description="Address at which forwarded guests answer; empty: 127.0.0.1.")
    base_port: int | None = Field(
        default=None,
        ge=1024,
        le=64536,
        description="Guest <nnn> is forwarded at base port + nnn; without it, the guest's own address is used.",
    )


class Flavour(ContractModel):
    """Size of a VM on owned hardware."""

    name: Label
    vcpu: Positive
    memory_mib: Positive


class Slot(ContractModel):
    """The stable name of a VM; its resource name is `<tier>-<hypervisor>-<nnn>`."""

    hypervisor: Label
    number: Annotated[int, Field(ge=1, le=999)]
    flavour: Label

    def name(self, tier: str) -> str:
        """Resource name. A change of the count touches only the last slots."""
        return f"{tier}-{self.hypervisor}-{self.number:03d}"


class DirectKernel(ContractModel):
    """Boot without a disk: kernel and initrd are paths on the hypervisor."""

    kernel: str
    initrd: str
    cmdline: tuple[dict[str, str], ...] = Field(default=(), description='One key per map: [{"console": "ttyS0"}].')

    @model_validator(mode="after")
    def _one_key_each(self) -> Self:
        if any(len(entry) != 1 for entry in self.cmdline):
            raise ValueError(
                "cmdline: use one key per map (otherwise the libvirt plugin previews a replacement every time)"
            )
        return self


class CloudInit(ContractModel):
    """NoCloud data; `{name}` stands for the VM's name."""

    user_data: str
    meta_data: str = "instance-id: {name}\nlocal-hostname: {name}\n"
    network_config: str = ""


class BaseVolume(ContractModel):
    """Boot from a copy-on-write volume over a base image in a storage pool."""

    source: str = Field(description="Path or URL of the base image, as the hypervisor sees it.")
    pool: str = "default"
    size_gib: Positive = 10
    cloud_init: CloudInit

    @property
    def version(self) -> str:
        """Eight hex digits of the image's place. They are part of the base volume's name: a new image comes beside the old one,
        which the running VMs still need."""
        return hashlib.sha256(canonical([self.source, self.pool]).encode()).hexdigest()[:8]


class Interface(ContractModel):
    """A network interface of a VM: a libvirt network or a host bridge."""

    network: str = ""
    bridge: str = ""
    wait_for_lease: bool = False

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.network) == bool(self.bridge):
            raise ValueError("give either `network` or `bridge`")
        return self


class HealthCheck(ContractModel):
    """How a VM says that it serves: `GET http://ADDRESS:PORT/PATH` answers 200."""

    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")] = "/healthz"
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=80,
        description="Port of the guest. Where the hypervisor forwards a port to the guest, that one is asked.",
    )


class Metal(ContractModel):
    """VMs on named hypervisors: the hot tier, or the cold tier's bare-metal form."""

    ownership: Literal[Ownership.EXACT] = Ownership.EXACT
    hypervisors: tuple[Hypervisor, ...] = ()
    flavours: tuple[Flavour, ...] = ()
    slots: tuple[Slot, ...] = ()
    boot: DirectKernel | BaseVolume | None = None
    interfaces: tuple[Interface, ...] = ()
    domain_type: Literal["kvm", "qemu"] = "kvm"
    machine: str = "pc"
    autostart: bool = Field(default=True, description="Start the VMs when the hypervisor boots.")
    guest_agent: bool = Field(default=False, description="Ask the QEMU agent for addresses: needed on a bridge.")
    overlay: str = Field(
        default="", description="XSLT applied to the domain's XML; `{name}` and `{port}` are replaced."
    )
    health: HealthCheck | None = Field(
        default=None, description="Check of a VM before it counts as ready; without it, a VM that runs is ready."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        hosts = {h.name for h in self.hypervisors}
        silent = {h.name for h in self.hypervisors if h.base_port is None}
        kinds = {f.name for f in self.flavours}
        names = [s.name("vm") for s in self.slots]
        for slot in self.slots:
            if slot.hypervisor not in hosts:
                raise ValueError(f"slot {slot.number} names hypervisor '{slot.hypervisor}'; known are {sorted(hosts)}")
            if "{port}" in self.overlay and slot.hypervisor in silent:
                raise ValueError(
                    f"the overlay uses a port, but hypervisor '{slot.hypervisor}' has no `basePort`; set it"
                )
            if slot.flavour not in kinds:
                raise ValueError(f"slot {slot.name('vm')} names flavour '{slot.flavour}'; known are {sorted(kinds)}")
        if len(names) != len(set(names)):
            raise ValueError("two slots have the same hypervisor and number")
        if self.slots and self.boot is None:
            raise ValueError("slots have no `boot`; set a direct kernel or a base volume")
        return self

    def build(self, slot: Slot) -> str:
        """SHA-256 over all that a VM in this slot is made of and that can't change while it runs. The contract's rules hold."""
        flavour = next(f for f in self.flavours if f.name == slot.flavour)
        host = next(h for h in self.hypervisors if h.name == slot.hypervisor)
        parts = {
            "vcpu": flavour.vcpu,
            "memory": flavour.memory_mib,
            "boot": self.boot.model_dump(mode="json") if self.boot is not None else None,
            "interfaces": [one.model_dump(mode="json") for one in self.interfaces],
            "type": self.domain_type,
            "machine": self.machine,
            "overlay": self.overlay,
            "port": host.base_port if "{port}" in self.overlay else None,
        }
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    def forwarded(self, tier: str) -> list[tuple[str, tuple[str, int]]]:
        """Name and (address, port) of each VM that its hypervisor forwards to."""
        hosts = {h.name: h for h in self.hypervisors}
        return [
            (slot.name(tier), (host.host or "127.0.0.1", host.base_port + slot.number))
            for slot in self.slots
            if (host := hosts[slot.hypervisor]).base_port is not None
        ]
