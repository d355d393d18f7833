"""``libvirt:index/volume:Volume``: every change replaces it. The id is the volume's key."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import libvirt

from lab.plugins.errors import PluginError
from lab.plugins.libvirt.hypervisor import LibvirtConnection, is_code
from lab.plugins.libvirt.storage import (
    delete_volume,
    find_volume,
    is_qcow2,
    source_image,
    upload,
    volume_by_key,
    volume_format,
)
from lab.plugins.libvirt.xslt import overlay
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

SPEC: Final = ResourceSpec(
    token="libvirt:index/volume:Volume",
    sdk="pulumi_libvirt.Volume",
    replaces=frozenset(
        {"baseVolumeId", "baseVolumeName", "baseVolumePool", "format", "name", "pool", "size", "source", "xml"}
    ),
    computed=frozenset({"format", "name", "size"}),
    defaults={"pool": "default"},
    autoname=AutoName(),
)
_NOT_READ: Final = ("baseVolumeId", "baseVolumeName", "baseVolumePool", "source", "xml")
_RIVALS: Final = {"size": "size", "baseVolumeId": "base_volume_id", "baseVolumeName": "base_volume_name"}


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """The calls for storage volumes."""

    host: LibvirtConnection
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the volume and fills it from its source. One that exists under the name is taken as it is."""
        _refuse_contradictions(inputs)
        with ExitStack() as stack:
            pool = stack.enter_context(self.host.pool(str(inputs.get("pool") or "default")))
            image = stack.enter_context(source_image(str(inputs["source"]))) if inputs.get("source") else None
            xml = overlay(self._xml(pool, inputs, image), inputs)
            with self.host.doing(f"error creating libvirt volume {inputs['name']}"):
                try:
                    volume = pool.createXML(xml, 0)
                except libvirt.libvirtError as error:
                    if not is_code(error, libvirt.VIR_ERR_STORAGE_VOL_EXIST):
                        raise
                    volume = pool.storageVolLookupByName(str(inputs["name"]))
            if image is not None:
                try:
                    upload(self.host, volume, image)
                except PluginError:
                    volume.delete(0)
                    raise
            id = volume.key()
        return Created(id=id, outputs={**inputs, **(self.read(id, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the volume as it is; a stopped pool is started first."""
        volume = find_volume(self.host, id)
        if volume is None and state.get("pool") and self._start_pool(str(state["pool"])):
            volume = find_volume(self.host, id)
        if volume is None:
            return None
        with self.host.doing(f"error retrieving volume {id}"):
            return {
                **{name: state[name] for name in _NOT_READ if name in state},
                "pool": volume.storagePoolLookupByVolume().name(),
                "name": volume.name(),
                "size": volume.info()[1],
                "format": volume_format(volume),
            }

    def update(self, id: str, change: Change) -> Properties:
        """Nothing of a volume changes in place."""
        return {**change.state, **change.inputs, **(self.read(id, change.state) or {})}

    def delete(self, id: str, state: Properties) -> None:  # noqa: ARG002
        """Removes the volume."""
        delete_volume(self.host, id)

    def _start_pool(self, name: str) -> bool:
        with self.host.doing(f"error starting pool {name}") as connection:
            try:
                pool = connection.storagePoolLookupByName(name)
            except libvirt.libvirtError as error:
                if is_code(error, libvirt.VIR_ERR_NO_STORAGE_POOL):
                    return False
                raise
            if pool.isActive():
                return False
            pool.create(0)
            return True

    def _xml(self, pool: Any, inputs: Properties, image: Path | None) -> str:
        kind, size = inputs.get("format"), inputs.get("size")
        base = self._base(pool, inputs)
        if image is not None:
            qcow2 = is_qcow2(image)
            if qcow2 and kind and kind != "qcow2":
                raise PluginError(
                    "format other than QCOW2 explicitly specified for image detected as QCOW2 image: "
                    f"{inputs['source']}"
                )
            kind, size = "qcow2" if qcow2 else kind, image.stat().st_size
        if base is not None:
            least = base.info()[1]
            if size is not None and int(size) < least:
                raise PluginError(
                    "when 'size' is specified, it shouldn't be smaller than the backing store specified with "
                    "'base_volume_id' or 'base_volume_name/base_volume_pool'"
                )
            size = least if size is None else size
        volume = ET.Element("volume")
        ET.SubElement(volume, "name").text = str(inputs["name"])
        ET.SubElement(volume, "allocation").text = "0"
        ET.SubElement(volume, "capacity", unit="bytes").text = str(int(size if size is not None else 1))
        target = ET.SubElement(volume, "target")
        ET.SubElement(target, "format", type=str(kind or "qcow2"))
        ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = "644"
        if base is not None:
            backing = ET.SubElement(volume, "backingStore")
            ET.SubElement(backing, "path").text = base.path()
            ET.SubElement(backing, "format", type=volume_format(base) or "raw")
        return ET.tostring(volume, encoding="unicode")

    def _base(self, pool: Any, inputs: Properties) -> Any | None:
        if inputs.get("baseVolumeId"):
            return volume_by_key(self.host, str(inputs["baseVolumeId"]))
        if not inputs.get("baseVolumeName"):
            return None
        name = str(inputs["baseVolumeName"])
        with self.host.doing(f"can't retrieve base volume with name '{name}'") as connection:
            if inputs.get("baseVolumePool"):
                pool = connection.storagePoolLookupByName(str(inputs["baseVolumePool"]))
            return pool.storageVolLookupByName(name)


def _refuse_contradictions(inputs: Properties) -> None:
    if inputs.get("source"):
        for name, upstream in _RIVALS.items():
            if inputs.get(name):
                raise PluginError(f"'{upstream}' can't be specified when also 'source' is given")
    if inputs.get("baseVolumeId") and inputs.get("baseVolumeName"):
        raise PluginError("'base_volume_name' can't be specified when also 'base_volume_id' is given")
