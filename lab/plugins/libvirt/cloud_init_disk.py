"""``libvirt:index/cloudInitDisk:CloudInitDisk``: an ISO image in a pool; every change replaces it."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.plugins.errors import PluginError
from lab.plugins.libvirt.hypervisor import LibvirtConnection
from lab.plugins.libvirt.storage import delete_volume, find_volume, upload
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_FILES: Final = {"userData": "user-data", "metaData": "meta-data", "networkConfig": "network-config"}
_SECONDS: Final = 60

SPEC: Final = ResourceSpec(
    token="libvirt:index/cloudInitDisk:CloudInitDisk",
    sdk="pulumi_libvirt.CloudInitDisk",
    replaces=frozenset({"metaData", "name", "networkConfig", "pool", "userData"}),
    computed=frozenset({"name"}),
    defaults={"pool": "default"},
    autoname=AutoName(),
)


@dataclass(frozen=True, kw_only=True)
class CloudInitDisks:
    """The calls for cloud-init disks. The id is the volume's key, ``;`` and a UUID of its own."""

    host: LibvirtConnection
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Makes the image with mkisofs and uploads it."""
        name, pool_name = str(inputs["name"]), str(inputs.get("pool") or "default")
        with tempfile.TemporaryDirectory(prefix="pulumi-libvirt-") as folder:
            image = _image(Path(folder), inputs)
            with self.host.pool(pool_name) as pool:
                doing = f"error creating libvirt volume for cloudinit device {name}"
                with self.host.doing(doing):
                    volume = pool.createXML(_volume_xml(name, image.stat().st_size), 0)
                try:
                    upload(self.host, volume, image)
                except PluginError:
                    volume.delete(0)
                    raise
                key = volume.key()
        return Created(id=f"{key};{uuid.uuid4()}", outputs={**inputs, "name": name, "pool": pool_name})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the disk: what is inside the image is what was put there, so only its place is looked at."""
        key, separator, _ = id.partition(";")
        if not separator:
            raise PluginError(f"{id} is not a valid key")
        volume = find_volume(self.host, key)
        if volume is None:
            return None
        with self.host.doing(f"error retrieving cloudinit volume {key}"):
            return {**state, "name": volume.name(), "pool": volume.storagePoolLookupByVolume().name()}

    def update(self, id: str, change: Change) -> Properties:
        """Nothing of the disk changes in place."""
        return {**change.state, **change.inputs, **(self.read(id, change.state) or {})}

    def delete(self, id: str, state: Properties) -> None:  # noqa: ARG002
        """Removes the image."""
        delete_volume(self.host, id.partition(";")[0])


def _image(folder: Path, inputs: Properties) -> Path:
    image = folder / "cidata.iso"
    for name, file in _FILES.items():
        (folder / file).write_text(str(inputs.get(name) or ""), encoding="utf-8")
    command = ["mkisofs", "-output", str(image), "-volid", "cidata", "-joliet", "-rock"]
    command += [str(folder / file) for file in _FILES.values()]
    doing = "error while starting the creation of CloudInit's ISO image"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise PluginError(f"{doing}: mkisofs is not installed (Debian package genisoimage)") from error
    except subprocess.TimeoutExpired as error:
        raise PluginError(f"{doing}: mkisofs took more than {_SECONDS} s") from error
    if done.returncode != 0:
        raise PluginError(f"{doing}: {done.stderr.strip().splitlines()[-1:]}")
    return image


def _volume_xml(name: str, size: int) -> str:
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "allocation").text = "0"
    ET.SubElement(volume, "capacity", unit="bytes").text = str(size)
    target = ET.SubElement(volume, "target")
    ET.SubElement(target, "format", type="raw")
    ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = "644"
    return ET.tostring(volume, encoding="unicode")
