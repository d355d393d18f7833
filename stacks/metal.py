"""VMs on named hypervisors: one provider per host, one component per stable slot.

The hot tier and the bare-metal form of the cold tier share it. Only this module uses pulumi-libvirt.

Most changes of a domain (memory, vCPU, disks) replace it. The old domain holds the name until it is deleted, so a slot is
replaced by deleting it first. To change what VMs are made of without losing capacity, the plan fills new slots and then empties
the old ones; the program never does that. It registers a digest of what each VM is made of, by which the plan knows old ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_libvirt as libvirt

from stacks.contract_adopted import AdoptedMachine
from stacks.contract_base import Tier
from stacks.contract_metal import BaseVolume, DirectKernel, Flavour, Hypervisor, Interface, Metal, Slot
from stacks.tags import Identity

MACHINE = "tiercast:stacks:Machine"


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A slot with its hypervisor, flavour and address."""

    slot: Slot
    flavour: Flavour
    hypervisor: Hypervisor
    name: str

    @property
    def port(self) -> int | None:
        """The hypervisor's port that is forwarded to the guest, if it forwards ports."""
        return None if self.hypervisor.base_port is None else self.hypervisor.base_port + self.slot.number


def seats(tier: Tier, metal: Metal) -> list[Seat]:
    """All slots of a tier in the order of their names."""
    hosts = {host.name: host for host in metal.hypervisors}
    flavours = {flavour.name: flavour for flavour in metal.flavours}
    found = [
        Seat(
            slot=slot,
            flavour=flavours[slot.flavour],
            hypervisor=hosts[slot.hypervisor],
            name=slot.name(tier.value),
        )
        for slot in metal.slots
    ]
    return sorted(found, key=lambda seat: seat.name)


class Machines:
    """The VMs of one tier: providers and base volumes per hypervisor in use, then one `Machine` per slot."""

    def __init__(
        self,
        tier: Tier,
        metal: Metal,
        *,
        identity: Identity,
        guest_port: int,
        secret: bool,
        parent: pulumi.Resource,
        adopted: Mapping[str, AdoptedMachine],
    ) -> None:
        self.machines: list[Machine] = []
        providers: dict[str, libvirt.Provider] = {}
        bases: dict[str, libvirt.Volume] = {}
        for seat in seats(tier, metal):
            host = seat.hypervisor
            if host.name not in providers:
                prefix = f"{tier.value}-{host.name}"
                providers[host.name] = libvirt.Provider(
                    prefix,
                    uri=pulumi.Output.secret(host.uri) if secret or _has_credentials(host.uri) else host.uri,
                    opts=pulumi.ResourceOptions(parent=parent),
                )
                if isinstance(metal.boot, BaseVolume):
                    bases[host.name] = _base_volume(
                        f"{prefix}-base-{metal.boot.version}", metal.boot, identity, providers[host.name], parent
                    )
            self.machines.append(
                Machine(
                    seat,
                    metal,
                    description=identity.describe(tier),
                    guest_port=guest_port,
                    base=bases.get(host.name),
                    secret=secret,
                    opts=pulumi.ResourceOptions(parent=parent, providers={"libvirt": providers[host.name]}),
                    adopted=adopted.get(seat.name),
                )
            )

    def output(self) -> list[dict[str, Any]]:
        """One entry per VM: name, host, flavour, size and endpoint."""
        return [machine.output() for machine in self.machines]


class Machine(pulumi.ComponentResource):
    """One VM in its slot, with disk and seed if it boots from a volume."""

    endpoint: pulumi.Output[str]

    def __init__(
        self,
        seat: Seat,
        metal: Metal,
        *,
        description: str,
        guest_port: int,
        base: libvirt.Volume | None,
        secret: bool,
        opts: pulumi.ResourceOptions,
        adopted: AdoptedMachine | None,
    ) -> None:
        super().__init__(MACHINE, seat.name, None, opts)
        self._seat = seat
        if adopted is not None:
            domain = _adopted_domain(seat, adopted, self)
        else:
            domain = _domain(seat, metal, base, description=description, secret=secret, parent=self)
        self.endpoint = self._endpoint(domain, guest_port)
        # Plans know by it whether this VM is still what they want. A digest of secrets would help to guess them.
        build = {} if secret else {"build": metal.build(seat.slot)}
        self.register_outputs({"name": seat.name, "endpoint": self.endpoint, **build})

    def output(self) -> dict[str, Any]:
        """The outputs of this VM for routing and observation."""
        seat = self._seat
        return {
            "name": seat.name,
            "hypervisor": seat.hypervisor.name,
            "flavour": seat.flavour.name,
            "vcpu": seat.flavour.vcpu,
            "memoryMib": seat.flavour.memory_mib,
            "endpoint": self.endpoint,
        }

    def _endpoint(self, domain: libvirt.Domain, guest_port: int) -> pulumi.Output[str]:
        seat = self._seat
        if seat.port is not None:
            return pulumi.Output.from_input(f"{seat.hypervisor.host or '127.0.0.1'}:{seat.port}")

        def first(interfaces: Sequence[Any] | None) -> str:
            addresses = [address for found in interfaces or () for address in found.addresses or ()]
            return f"{addresses[0]}:{guest_port}" if addresses else ""

        found: pulumi.Output[str] = domain.network_interfaces.apply(first)
        return found


def _adopted_domain(seat: Seat, adopted: AdoptedMachine, parent: pulumi.Resource) -> libvirt.Domain:
    """The domain as it was found. A plan for new VMs would replace it in most properties, so none of its inputs counts."""
    return libvirt.Domain(
        seat.name,
        name=adopted.domain,
        vcpu=adopted.vcpu,
        memory=adopted.memory_mib,
        opts=pulumi.ResourceOptions(parent=parent, import_=adopted.uuid, protect=True, ignore_changes=["*"]),
    )


def _domain(
    seat: Seat,
    metal: Metal,
    base: libvirt.Volume | None,
    *,
    description: str,
    secret: bool,
    parent: pulumi.Resource,
) -> libvirt.Domain:
    # A slot keeps its names, so the old one must be gone before the new one can exist.
    inside = pulumi.ResourceOptions(parent=parent, delete_before_replace=True)
    return libvirt.Domain(
        seat.name,
        name=seat.name,
        description=description,
        type=metal.domain_type,
        machine=metal.machine,
        vcpu=seat.flavour.vcpu,
        memory=seat.flavour.memory_mib,
        autostart=metal.autostart,
        qemu_agent=metal.guest_agent or None,
        network_interfaces=[_interface(interface) for interface in metal.interfaces] or None,
        xml=_overlay(metal.overlay, seat, secret=secret),
        opts=inside,
        **_boot(seat, metal.boot, base, secret=secret, opts=inside),
    )


def _boot(
    seat: Seat,
    boot: DirectKernel | BaseVolume | None,
    base: libvirt.Volume | None,
    *,
    secret: bool,
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """Domain arguments for booting; creates the disks if it has any."""
    if isinstance(boot, DirectKernel):
        return {"kernel": boot.kernel, "initrd": boot.initrd, "cmdlines": [dict(one) for one in boot.cmdline] or None}
    if boot is None or base is None:
        raise ValueError(f"{seat.name} has no boot source")  # the contract refuses this earlier
    root = libvirt.Volume(
        f"{seat.name}-root",
        name=f"{seat.name}-root.qcow2",
        pool=boot.pool,
        base_volume_id=base.id,
        size=boot.size_gib * 2**30,
        opts=opts,
    )
    seed = libvirt.CloudInitDisk(
        f"{seat.name}-seed",
        name=f"{seat.name}-seed.iso",
        pool=boot.pool,
        user_data=_veiled(_filled(boot.cloud_init.user_data, seat), secret),
        meta_data=_filled(boot.cloud_init.meta_data, seat),
        network_config=boot.cloud_init.network_config or None,
        opts=opts,
    )
    return {"disks": [libvirt.DomainDiskArgs(volume_id=root.id)], "cloudinit": seed.id}


def _base_volume(
    name: str, boot: BaseVolume, identity: Identity, provider: libvirt.Provider, parent: pulumi.Resource
) -> libvirt.Volume:
    return libvirt.Volume(
        name,
        name=f"{identity.project}-{identity.stack}-{name}.qcow2",
        pool=boot.pool,
        source=boot.source,
        opts=pulumi.ResourceOptions(parent=parent, provider=provider, delete_before_replace=True),
    )


def _interface(interface: Interface) -> libvirt.DomainNetworkInterfaceArgs:
    return libvirt.DomainNetworkInterfaceArgs(
        network_name=interface.network or None,
        bridge=interface.bridge or None,
        wait_for_lease=interface.wait_for_lease or None,
    )


def _overlay(xslt: str, seat: Seat, *, secret: bool) -> libvirt.DomainXmlArgs | None:
    return libvirt.DomainXmlArgs(xslt=_veiled(_filled(xslt, seat), secret)) if xslt else None


def _filled(text: str, seat: Seat) -> str:
    """Plain text replacement, because XSLT and cloud-init use the braces of format strings."""
    return text.replace("{name}", seat.name).replace("{port}", "" if seat.port is None else str(seat.port))


def _veiled(text: str, secret: bool) -> pulumi.Input[str]:
    return pulumi.Output.secret(text) if secret else text


def _has_credentials(uri: str) -> bool:
    authority = uri.partition("://")[2].partition("/")[0]
    return ":" in authority.rpartition("@")[0]
