"""``libvirt:index/domain:Domain``: defined and started at once; an update starts a stopped one; a delete is a
power-off."""

from __future__ import annotations

import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import libvirt

from lab.plugins.errors import PartialFailureError, PluginError
from lab.plugins.libvirt.domain_state import is_running, outputs_from
from lab.plugins.libvirt.domain_xml import cloudinit_disk, domain_xml
from lab.plugins.libvirt.hypervisor import LibvirtConnection, is_code
from lab.plugins.libvirt.xslt import overlay
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_LEASE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 1.0
_UNDEFINE: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)

SPEC: Final = ResourceSpec(
    token="libvirt:index/domain:Domain",
    sdk="pulumi_libvirt.Domain",
    replaces=frozenset(
        {
            "cmdlines",
            "coreosIgnition",
            "cpu",
            "description",
            "disks",
            "filesystems",
            "firmware",
            "fwCfgName",
            "graphics",
        }
        | {"memory", "name", "nvram", "type", "vcpu", "xml.xslt"}
        | {
            f"consoles.{name}"
            for name in ("type", "sourcePath", "sourceHost", "sourceService", "targetPort", "targetType")
        }
        | {f"tpm.{name}" for name in ("model", "backendType", "backendDevicePath", "backendEncryptionSecret")}
        | {"tpm.backendVersion", "tpm.backendPersistentState"}
    ),
    computed=frozenset(
        {"arch", "autostart", "cpu", "cpu.mode", "emulator", "machine", "name", "nvram", "nvram.file", "nvram.template"}
        | {f"networkInterfaces.{name}" for name in ("addresses", "hostname", "mac", "networkId", "networkName")}
        | {"disks.wwn"}
    ),
    defaults={
        "fwCfgName": "opt/com.coreos/config",
        "memory": 512,
        "qemuAgent": False,
        "running": True,
        "type": "kvm",
        "vcpu": 1,
        "consoles.sourceHost": "127.0.0.1",
        "consoles.sourceService": "0",
        "disks.scsi": False,
        "filesystems.accessmode": "mapped",
        "filesystems.readonly": True,
        "graphics.autoport": True,
        "graphics.listenAddress": "127.0.0.1",
        "graphics.listenType": "none",
        "graphics.type": "spice",
        "tpm.backendType": "emulator",
        "video.type": "cirrus",
    },
    autoname=AutoName(),
    ignore_case=frozenset({"networkInterfaces.mac"}),
)


@dataclass(frozen=True, kw_only=True)
class Domains:
    """The calls for virtual machines. The id is the domain's UUID."""

    host: LibvirtConnection
    spec: ResourceSpec = SPEC
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def create(self, inputs: Properties) -> Created:
        """Defines the domain and starts it; with ``running`` false it is powered off again, as upstream does.

        A domain that doesn't start stays defined and is in no state, as with upstream: the next create fails for its name.
        """
        name = str(inputs["name"])
        xml = overlay(domain_xml(self.host, inputs), inputs)
        with self.host.doing("error defining libvirt domain") as connection:
            domain = connection.defineXML(xml)
        id = domain.UUIDString()
        if inputs.get("autostart") is not None:
            with self.host.doing(f"error setting autostart for domain {name}"):
                domain.setAutostart(int(bool(inputs["autostart"])))
        with self.host.doing("error creating libvirt domain"):
            domain.create()
        wanted = bool(inputs.get("running", True))
        try:
            if wanted:
                self._wait_for_leases(domain, inputs)
            outputs = {**inputs, **outputs_from(self.host, domain, inputs), "running": wanted}
            if not wanted:
                with self.host.doing(f"couldn't destroy libvirt domain {name}"):
                    domain.destroy()
        except PluginError as error:
            outputs = {**inputs, **outputs_from(self.host, domain, inputs)}
            raise PartialFailureError(str(error), id=id, outputs=outputs, code=error.code) from error
        return Created(id=id, outputs=outputs)

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the domain as it is, or None where no domain has this UUID."""
        domain = self._find(id)
        if domain is None:
            return None
        with self.host.doing("error reading libvirt domain"):
            return outputs_from(self.host, domain, state)

    def update(self, id: str, change: Change) -> Properties:
        """Starts the domain if it doesn't run (any update does), then changes cloud-init disk and autostart."""
        inputs = change.inputs
        domain = self._find(id)
        if domain is None:
            raise PluginError(f"error retrieving libvirt domain by update: there is no domain with UUID {id}")
        name = domain.name()
        if not is_running(domain):
            with self.host.doing(f"error creating libvirt domain {name}"):
                domain.create()
        if "cloudinit" in change.changed and inputs.get("cloudinit"):
            disk = ET.tostring(cloudinit_disk(self.host, str(inputs["cloudinit"])), encoding="unicode")
            with self.host.doing("error while changing the cloudinit volume"):
                flags = libvirt.VIR_DOMAIN_DEVICE_MODIFY_CONFIG | libvirt.VIR_DOMAIN_DEVICE_MODIFY_LIVE
                domain.updateDeviceFlags(disk, flags)
        if "autostart" in change.changed:
            with self.host.doing(f"error setting autostart for domain {name}"):
                domain.setAutostart(int(bool(inputs.get("autostart"))))
        # Upstream keeps what was asked for, whatever it could change of it: kernel, initrd, machine stay until a
        # replacement.
        found = outputs_from(self.host, domain, {**change.state, **inputs})
        return {
            **found,
            **{key: inputs[key] for key in inputs if key in change.changed},
            "autostart": found["autostart"],
        }

    def delete(self, id: str, state: Properties) -> None:  # noqa: ARG002
        """Powers the domain off and removes its definition; one that is gone already is done."""
        domain = self._find(id)
        if domain is None:
            return
        with self.host.doing(f"couldn't destroy libvirt domain {id}"):
            if domain.state(0)[0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED):
                self._quietly(domain.destroy, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
        with self.host.doing(f"couldn't undefine libvirt domain {id}"):
            try:
                domain.undefineFlags(_UNDEFINE)
            except libvirt.libvirtError as error:
                if is_code(error, libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
                    domain.undefine()
                elif not is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
                    raise

    def _find(self, id: str) -> Any | None:
        try:
            uuid.UUID(id)
        except ValueError as error:
            raise PluginError(f"{id!r} is not the id of a domain: it must be the domain's UUID") from error
        with self.host.doing("error retrieving libvirt domain") as connection:
            try:
                return connection.lookupByUUIDString(id)
            except libvirt.libvirtError as error:
                if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
                    return None
                raise

    @staticmethod
    def _quietly(call: Callable[[], Any], *codes: int) -> None:
        try:
            call()
        except libvirt.libvirtError as error:
            if not is_code(error, *codes):
                raise

    def _wait_for_leases(self, domain: Any, inputs: Properties) -> None:
        awaited = [one for one in inputs.get("networkInterfaces") or [] if one.get("waitForLease")]
        if not awaited:
            return
        deadline = self.clock() + _LEASE_SECONDS
        while True:
            found = outputs_from(self.host, domain, inputs).get("networkInterfaces") or []
            if sum(bool(one.get("addresses")) for one in found) >= len(awaited):
                return
            if self.clock() >= deadline:
                raise PluginError(
                    f"couldn't retrieve IP address of domain id: {domain.UUIDString()}. Check that the domain runs "
                    "properly, that its interface has an address and that DHCP is enabled on its network"
                )
            self.sleep(_POLL_SECONDS)
