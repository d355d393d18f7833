"""Domain properties to libvirt XML, with the devices and features that the real plugin gives every domain."""

from __future__ import annotations

import os
import random
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlparse

from lab.plugins.errors import PluginError
from lab.plugins.libvirt.hypervisor import LibvirtConnection
from lab.plugins.libvirt.storage import volume_by_key, volume_format
from lab.plugins.wire import Properties

_DEFAULT_MACHINES: Final = {
    "i686": ("pc",),
    "x86_64": ("pc",),
    "aarch64": ("virt", "vexpress-a15"),
    "armv7l": ("virt", "vexpress-a15"),
    "s390x": ("s390-ccw-virtio",),
    "ppc64": ("pseries",),
    "ppc64le": ("pseries",),
}
_NO_SPICE: Final = ("aarch64", "s390x", "ppc64")


def domain_xml(host: LibvirtConnection, inputs: Properties) -> str:
    """Returns the XML of a new domain, before the user's overlay. Raises PluginError for what can't be expressed."""
    domain = ET.Element("domain", type=str(inputs.get("type") or "kvm"))
    _text(domain, "name", inputs["name"])
    if inputs.get("description"):
        _text(domain, "description", inputs["description"])
    _text(domain, "memory", inputs.get("memory") or 512, unit="MiB")
    _text(domain, "vcpu", inputs.get("vcpu") or 1, placement="static")
    architecture = str(inputs.get("arch") or host.architecture)
    _boot(host, domain, inputs, architecture)
    if architecture != "s390x":
        features = ET.SubElement(domain, "features")
        for name in ("pae", "acpi", "apic"):
            ET.SubElement(features, name)
    mode = (inputs.get("cpu") or {}).get("mode")
    ET.SubElement(domain, "cpu", {"mode": str(mode)} if mode else {})
    devices = ET.SubElement(domain, "devices")
    if emulator := inputs.get("emulator") or host.emulator(architecture):
        _text(devices, "emulator", emulator)
    _disks(host, devices, inputs.get("disks") or [])
    if inputs.get("cloudinit"):
        devices.append(cloudinit_disk(host, str(inputs["cloudinit"])))
    for filesystem in inputs.get("filesystems") or []:
        _filesystem(devices, filesystem)
    for interface in inputs.get("networkInterfaces") or []:
        _interface(host, devices, interface)
    for console in inputs.get("consoles") or []:
        _console(devices, console)
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    _graphics(devices, inputs.get("graphics"), architecture)
    if inputs.get("video"):
        ET.SubElement(ET.SubElement(devices, "video"), "model", type=str(inputs["video"].get("type") or "cirrus"))
    if inputs.get("tpm"):
        _tpm(devices, inputs["tpm"])
    generator = ET.SubElement(devices, "rng", model="virtio")
    _text(generator, "backend", os.environ.get("TF_LIBVIRT_RNG_DEV") or "/dev/urandom", model="random")
    if inputs.get("coreosIgnition"):
        _ignition(domain, inputs)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def command_line(cmdlines: list[Mapping[str, Any]]) -> str:
    """Returns the kernel's command line: ``key=value`` of every map, bare words for the key ``_``, sorted."""
    words = [str(value) if key == "_" else f"{key}={value}" for part in cmdlines for key, value in part.items()]
    return " ".join(sorted(words))


def cloudinit_disk(host: LibvirtConnection, id: str) -> ET.Element:
    """Returns the CD-ROM of a cloud-init disk, by the id of its resource (volume key, ``;``, a UUID)."""
    key, separator, _ = id.partition(";")
    if not separator:
        raise PluginError(f"{id} is not a valid key")
    disk = ET.Element("disk", type="file", device="cdrom")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=volume_by_key(host, key).path())
    ET.SubElement(disk, "target", dev="hdd", bus="ide")
    _text(disk, "serial", "cloudinit")
    return disk


def drive_letter(index: int) -> str:
    """Returns a, b, … z, aa, ab, …"""
    rest, letter = divmod(index, 26)
    return (drive_letter(rest - 1) if rest else "") + chr(ord("a") + letter)


def _boot(host: LibvirtConnection, domain: ET.Element, inputs: Properties, architecture: str) -> None:
    boot = ET.SubElement(domain, "os")
    if architecture == "aarch64":
        boot.set("firmware", "efi")
    kind = _text(boot, "type", "hvm", arch=architecture)
    if machine := _machine(host, inputs.get("machine"), architecture):
        kind.set("machine", machine)
    if inputs.get("firmware"):
        _text(boot, "loader", inputs["firmware"], readonly="yes", type="pflash", secure="no")
        if nvram := inputs.get("nvram"):
            variables = _text(boot, "nvram", nvram.get("file") or "")
            if nvram.get("template"):
                variables.set("template", str(nvram["template"]))
    for name in ("kernel", "initrd"):
        if inputs.get(name):
            _text(boot, name, inputs[name])
    if inputs.get("cmdlines"):
        _text(boot, "cmdline", command_line(inputs["cmdlines"]))
    for device in inputs.get("bootDevices") or []:
        for name in device.get("devs") or []:
            ET.SubElement(boot, "boot", dev=str(name))


def _machine(host: LibvirtConnection, wanted: Any, architecture: str) -> str | None:
    machines = host.machines(architecture)
    if wanted:
        if machines and wanted not in machines and wanted not in machines.values():
            raise PluginError(
                f"Cannot find machine type {wanted} for hvm/{architecture} on {host.uri.partition('?')[0]}"
            )
        return machines.get(str(wanted), str(wanted))
    for name in _DEFAULT_MACHINES.get(architecture, ()):
        if name in machines:
            return machines[name]
    return None


def _disks(host: LibvirtConnection, devices: ET.Element, disks: list[Properties]) -> None:
    images = scsi = 0
    for index, wanted in enumerate(disks):
        disk = ET.SubElement(devices, "disk", device="disk")
        driver = ET.SubElement(disk, "driver", name="qemu", type="qcow2")
        target = {"dev": f"vd{drive_letter(index)}", "bus": "virtio"}
        if wanted.get("scsi"):
            target = {"dev": f"sd{drive_letter(scsi)}", "bus": "scsi"}
            scsi += 1
            suffix = "".join(random.choices("abcdef0123456789", k=10))
            _text(disk, "wwn", wanted.get("wwn") or f"05abcd{suffix}")
        path = str(wanted.get("url") or wanted.get("file") or "")
        if wanted.get("volumeId"):
            volume = volume_by_key(host, str(wanted["volumeId"]))
            driver.set("type", volume_format(volume) or "qcow2")
            disk.set("type", "volume")
            ET.SubElement(disk, "source", pool=volume.storagePoolLookupByVolume().name(), volume=volume.name())
        elif wanted.get("url"):
            url = urlparse(path)
            path = url.path
            disk.set("type", "network")
            source = ET.SubElement(disk, "source", protocol=url.scheme, name=url.path)
            ET.SubElement(
                source, "host", name=url.hostname or "", port=str(url.port or (443 if url.scheme == "https" else 80))
            )
        elif wanted.get("file"):
            disk.set("type", "file")
            ET.SubElement(disk, "source", file=path)
        elif wanted.get("blockDevice"):
            disk.set("type", "block")
            ET.SubElement(disk, "source", dev=str(wanted["blockDevice"]))
            driver.set("type", "raw")
        if path:
            if path.endswith(".iso"):
                disk.set("device", "cdrom")
                target = {"dev": f"hd{drive_letter(images)}", "bus": "ide"}
                images += 1
            if not path.endswith(".qcow2"):
                driver.set("type", "raw")
        ET.SubElement(disk, "target", target)
    if scsi:
        ET.SubElement(devices, "controller", type="scsi", model="virtio-scsi")


def _filesystem(devices: ET.Element, wanted: Properties) -> None:
    filesystem = ET.SubElement(
        devices, "filesystem", type="mount", accessmode=str(wanted.get("accessmode") or "mapped")
    )
    ET.SubElement(filesystem, "source", dir=str(wanted["source"]))
    ET.SubElement(filesystem, "target", dir=str(wanted["target"]))
    if wanted.get("readonly", True):
        ET.SubElement(filesystem, "readonly")


def _interface(host: LibvirtConnection, devices: ET.Element, wanted: Properties) -> None:
    direct = {"vepa": "vepa", "macvtap": "bridge", "passthrough": "passthrough"}
    name = wanted.get("networkName")
    if not name and wanted.get("networkId"):
        with host.doing(f"can't retrieve network ID {wanted['networkId']}") as connection:
            name = connection.networkLookupByUUIDString(str(wanted["networkId"])).name()
    interface = ET.SubElement(devices, "interface")
    mac = str(wanted.get("mac") or random_mac()).upper()
    ET.SubElement(interface, "mac", address=mac)
    mode = next((key for key in direct if wanted.get(key)), None)
    if name:
        interface.set("type", "network")
        ET.SubElement(interface, "source", network=str(name))
    elif wanted.get("bridge"):
        interface.set("type", "bridge")
        ET.SubElement(interface, "source", bridge=str(wanted["bridge"]))
    elif mode:
        interface.set("type", "direct")
        ET.SubElement(interface, "source", dev=str(wanted[mode]), mode=direct[mode])
    else:
        interface.set("type", "user")
    ET.SubElement(interface, "model", type="virtio")


def random_mac() -> str:
    """Returns a locally administered address in QEMU's range."""
    return "52:54:00:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))


def _console(devices: ET.Element, wanted: Properties) -> None:
    kind = str(wanted["type"])
    console = ET.SubElement(devices, "console", type=kind)
    if kind == "tcp":
        host, port = str(wanted.get("sourceHost") or "127.0.0.1"), str(wanted.get("sourceService") or "0")
        ET.SubElement(console, "source", mode="bind", host=host, service=port)
        ET.SubElement(console, "protocol", type="telnet")
    elif wanted.get("sourcePath"):
        ET.SubElement(console, "source", path=str(wanted["sourcePath"]))
    port = str(wanted["targetPort"])
    if not port.isdecimal():
        raise PluginError(f'invalid port when parsing "{port}": it must be a number')
    target = ET.SubElement(console, "target", port=port)
    if wanted.get("targetType"):
        target.set("type", str(wanted["targetType"]))


def _graphics(devices: ET.Element, wanted: Properties | None, architecture: str) -> None:
    """The display of the inputs, or the SPICE display that every domain has by default. libvirt adds a video device to it."""
    if architecture.startswith(_NO_SPICE):
        return
    if not wanted:
        ET.SubElement(devices, "graphics", type="spice", autoport="yes")
        return
    kind = str(wanted.get("type") or "spice")
    if kind == "none":
        return
    if kind not in ("spice", "vnc"):
        raise PluginError(f"this provider only supports vnc/spice/none as graphics type. Provided: '{kind}'")
    graphics = ET.SubElement(devices, "graphics", type=kind, autoport="yes" if wanted.get("autoport", True) else "no")
    if kind == "vnc" and wanted.get("websocket"):
        graphics.set("websocket", str(wanted["websocket"]))
    listen = str(wanted.get("listenType") or "none")
    if listen in ("address", "network", "socket", "none"):
        listener = ET.SubElement(graphics, "listen", type=listen)
        if listen == "address":
            listener.set("address", str(wanted.get("listenAddress") or "127.0.0.1"))


def _tpm(devices: ET.Element, wanted: Properties) -> None:
    tpm = ET.SubElement(devices, "tpm")
    if wanted.get("model"):
        tpm.set("model", str(wanted["model"]))
    kind = str(wanted.get("backendType") or "emulator")
    backend = ET.SubElement(tpm, "backend", type=kind)
    if kind == "passthrough" and wanted.get("backendDevicePath"):
        ET.SubElement(backend, "device", path=str(wanted["backendDevicePath"]))
    if kind == "emulator":
        if wanted.get("backendVersion"):
            backend.set("version", str(wanted["backendVersion"]))
        if wanted.get("backendPersistentState") is not None:
            backend.set("persistent_state", "yes" if wanted["backendPersistentState"] else "no")
        if wanted.get("backendEncryptionSecret"):
            ET.SubElement(backend, "encryption", secret=str(wanted["backendEncryptionSecret"]))


def _ignition(domain: ET.Element, inputs: Properties) -> None:
    key = str(inputs["coreosIgnition"]).partition(";")[0]
    name = inputs.get("fwCfgName") or "opt/com.coreos/config"
    ET.register_namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")
    commandline = ET.SubElement(domain, "{http://libvirt.org/schemas/domain/qemu/1.0}commandline")
    for value in ("-fw_cfg", f"name={name},file={key}"):
        ET.SubElement(commandline, "{http://libvirt.org/schemas/domain/qemu/1.0}arg", value=value)


def _text(parent: ET.Element, tag: str, value: Any, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = str(value)
    return element
