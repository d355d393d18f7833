"""A domain as libvirt describes it, read back as the outputs of the real plugin."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any, Final

import libvirt

from lab.plugins.libvirt.hypervisor import LibvirtConnection
from lab.plugins.wire import Properties

_UNITS: Final = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
_DIRECT: Final = {"vepa": "vepa", "bridge": "macvtap", "passthrough": "passthrough"}
_NOT_READ: Final[tuple[str, ...]] = (
    "bootDevices",
    "cloudinit",
    "consoles",
    "coreosIgnition",
    "fwCfgName",
    "graphics",
    "metadata",
    "qemuAgent",
    "tpm",
    "type",
    "video",
    "xml",
)
"""Properties that the real plugin writes and doesn't read back: they keep their value in the state."""


def outputs_from(host: LibvirtConnection, domain: Any, state: Properties) -> Properties:
    """Returns the outputs of a domain; ``state`` is what was known before (empty on import)."""
    description = ET.fromstring(domain.XMLDesc(0))
    kept = {name: state[name] for name in _NOT_READ if name in state}
    architecture = _attribute(description, "os/type", "arch")
    outputs: Properties = {
        "type": description.get("type"),
        **kept,
        "name": description.findtext("name"),
        "description": description.findtext("description") or None,
        "vcpu": int(description.findtext("vcpu") or 1),
        "memory": _mebibytes(description),
        "firmware": description.findtext("os/loader") or None,
        "arch": architecture,
        "machine": _plain_machine(host, architecture, _attribute(description, "os/type", "machine")),
        "emulator": description.findtext("devices/emulator") or None,
        "kernel": description.findtext("os/kernel") or None,
        "initrd": description.findtext("os/initrd") or None,
        "cmdlines": split_command_line(description.findtext("os/cmdline") or "") or None,
        "autostart": bool(domain.autostart()),
        "running": is_running(domain),
        "qemuAgent": bool(state.get("qemuAgent", False)),
        "disks": _disks(host, description) or state.get("disks"),
        "filesystems": [_filesystem(one) for one in description.findall("devices/filesystem")] or None,
        "networkInterfaces": _interfaces(host, domain, description, state) or state.get("networkInterfaces"),
    }
    mode = _attribute(description, "cpu", "mode")
    outputs["cpu"] = {"mode": mode} if mode else state.get("cpu")
    nvram = description.find("os/nvram")
    if nvram is not None:
        outputs["nvram"] = {"file": nvram.text, "template": nvram.get("template")}
    return outputs


def is_running(domain: Any) -> bool:
    """Whether the domain is running, and not paused, crashed or shut off."""
    return bool(domain.state(0)[0] == libvirt.VIR_DOMAIN_RUNNING)


def split_command_line(line: str) -> list[dict[str, str]]:
    """Returns a kernel command line as the plugin reads it back.

    All ``key=value`` words share one map until a key repeats, then one map ``_`` holds the bare words. Inputs in
    any other form differ from that on every run: ``[{"console": "ttyS0"}, {"_": "quiet"}]`` is a form that stays.
    """
    maps: list[dict[str, str]] = []
    current: dict[str, str] = {}
    bare = []
    for word in line.split():
        key, separator, value = word.partition("=")
        if not separator:
            bare.append(word)
            continue
        if key in current:
            maps.append(current)
            current = {}
        current[key] = value
    maps += [current] if current else []
    return [*maps, {"_": " ".join(bare)}] if bare else maps


def _mebibytes(description: ET.Element) -> int:
    memory = description.find("memory")
    if memory is None:
        return 0
    return int(int(memory.text or 0) * _UNITS.get(memory.get("unit", "KiB"), 1 / 1024))


def _attribute(description: ET.Element, path: str, name: str) -> str | None:
    element = description.find(path)
    return element.get(name) if element is not None else None


def _plain_machine(host: LibvirtConnection, architecture: str | None, machine: str | None) -> str | None:
    for name, canonical in host.machines(architecture or "").items():
        if canonical == machine and name != canonical:
            return name
    return machine


def _disks(host: LibvirtConnection, description: ET.Element) -> list[Properties]:
    found = []
    for disk in description.findall("devices/disk"):
        if disk.findtext("serial") == "cloudinit":
            continue
        source, target = disk.find("source"), disk.find("target")
        one: Properties = {"scsi": target is not None and target.get("bus") == "scsi"}
        if one["scsi"]:
            one["wwn"] = disk.findtext("wwn")
        if source is not None:
            one |= _source(host, disk, source)
        found.append(one)
    return found


def _source(host: LibvirtConnection, disk: ET.Element, source: ET.Element) -> Properties:
    match disk.get("type"):
        case "network":
            server = source.find("host")
            name = server.get("name") if server is not None else ""
            port = server.get("port") if server is not None else ""
            return {"url": f"{source.get('protocol')}://{name}:{port}{source.get('name')}"}
        case "block":
            return {"blockDevice": source.get("dev")}
        case "volume":
            with host.doing("error retrieving volume for disk") as connection:
                pool = connection.storagePoolLookupByName(source.get("pool"))
                return {"volumeId": pool.storageVolLookupByName(source.get("volume")).key()}
        case _ if disk.get("device") == "cdrom":
            return {"file": source.get("file")}
    path = source.get("file")
    connection = host.connection()
    try:
        return {"volumeId": connection.storageVolLookupByPath(path).key()}
    except libvirt.libvirtError:
        return {"file": path}


def _filesystem(description: ET.Element) -> Properties:
    return {
        "accessmode": description.get("accessmode"),
        "source": _attribute(description, "source", "dir"),
        "target": _attribute(description, "target", "dir"),
        "readonly": description.find("readonly") is not None,
    }


def _interfaces(host: LibvirtConnection, domain: Any, description: ET.Element, state: Properties) -> list[Properties]:
    addresses = _addresses(domain, agent=bool(state.get("qemuAgent")))
    before = state.get("networkInterfaces") or []
    found = []
    for index, interface in enumerate(description.findall("devices/interface")):
        known = before[index] if index < len(before) else {}
        mac = (_attribute(interface, "mac", "address") or "").upper()
        source = interface.find("source")
        one: Properties = {
            "mac": mac,
            "addresses": addresses.get(mac, known.get("addresses") or []),
            "hostname": known.get("hostname"),
            "waitForLease": bool(known.get("waitForLease", False)),
        }
        match interface.get("type"):
            case "network" if source is not None:
                one["networkName"] = source.get("network")
                with host.doing("can't retrieve network ID") as connection:
                    one["networkId"] = connection.networkLookupByName(source.get("network")).UUIDString()
            case "bridge" if source is not None:
                one["bridge"] = source.get("bridge")
            case "direct" if source is not None:
                one[_DIRECT.get(source.get("mode") or "vepa", "vepa")] = source.get("dev")
        found.append(one)
    return found


def _addresses(domain: Any, *, agent: bool) -> dict[str, list[str]]:
    """Returns MAC → addresses as leases or the guest agent know them; none where neither can be asked."""
    if not is_running(domain):
        return {}
    kind = "VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT" if agent else "VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE"
    try:
        interfaces = domain.interfaceAddresses(getattr(libvirt, kind), 0) or {}
    except libvirt.libvirtError:
        return {}
    return {
        str(one["hwaddr"]).upper(): [address["addr"] for address in one.get("addrs") or []]
        for one in interfaces.values()
        if one.get("hwaddr")
    }
