"""``libvirt:index/pool:Pool``: a directory of volumes; every change replaces it. The id is the pool's UUID."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any, Final

import libvirt

from lab.plugins.errors import PluginError
from lab.plugins.libvirt.hypervisor import LibvirtConnection, is_code
from lab.plugins.libvirt.xslt import overlay
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

SPEC: Final = ResourceSpec(
    token="libvirt:index/pool:Pool",
    sdk="pulumi_libvirt.Pool",
    replaces=frozenset({"allocation", "available", "capacity", "name", "path", "source", "target.path", "type", "xml"}),
    computed=frozenset({"allocation", "available", "capacity", "name", "target", "target.path"}),
    autoname=AutoName(),
)


@dataclass(frozen=True, kw_only=True)
class Pools:
    """The calls for storage pools."""

    host: LibvirtConnection
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Defines, builds and starts the pool, and lets it start with the host."""
        name, kind = str(inputs["name"]), str(inputs["type"])
        if kind not in ("dir", "logical"):
            raise PluginError('only storage pools of type "dir" and "logical" are supported')
        with self.host.doing(f"error creating libvirt storage pool {name}") as connection:
            if any(pool.name() == name for pool in connection.listAllStoragePools(0)):
                raise PluginError(f"storage pool '{name}' already exists")
            pool = connection.storagePoolDefineXML(overlay(_xml(name, kind, inputs), inputs), 0)
            try:
                pool.build(0)
                pool.setAutostart(1)
                pool.create(0)
                pool.refresh(0)
            except libvirt.libvirtError:
                pool.undefine()
                raise
            id = pool.UUIDString()
        return Created(id=id, outputs={**inputs, **(self.read(id, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the pool as it is."""
        pool = self._find(id)
        if pool is None:
            return None
        with self.host.doing(f"error retrieving libvirt pool {id}"):
            description = ET.fromstring(pool.XMLDesc(0))
            _, capacity, allocation, available = pool.info()
        path = description.findtext("target/path")
        where = {"path": path} if state.get("path") else {"target": {"path": path}}
        return {
            **{name: state[name] for name in ("source", "xml") if name in state},
            **where,
            "name": pool.name(),
            "type": description.get("type"),
            "capacity": capacity,
            "allocation": allocation,
            "available": available,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Nothing of a pool changes in place."""
        return {**change.state, **change.inputs, **(self.read(id, change.state) or {})}

    def delete(self, id: str, state: Properties) -> None:  # noqa: ARG002
        """Stops the pool, removes its empty directory and its definition."""
        pool = self._find(id)
        if pool is None:
            return
        with self.host.doing(f"error deleting storage pool {id}"):
            if pool.isActive():
                pool.destroy()
            if ET.fromstring(pool.XMLDesc(0)).get("type") == "dir":
                pool.delete(0)
            pool.undefine()

    def _find(self, id: str) -> Any | None:
        try:
            uuid.UUID(id)
        except ValueError as error:
            raise PluginError(f"{id!r} is not the id of a storage pool: it must be the pool's UUID") from error
        with self.host.doing(f"error retrieving libvirt pool {id}") as connection:
            try:
                return connection.storagePoolLookupByUUIDString(id)
            except libvirt.libvirtError as error:
                if is_code(error, libvirt.VIR_ERR_NO_STORAGE_POOL):
                    return None
                raise


def _xml(name: str, kind: str, inputs: Properties) -> str:
    pool = ET.Element("pool", type=kind)
    ET.SubElement(pool, "name").text = name
    source = inputs.get("source") or {}
    if source:
        element = ET.SubElement(pool, "source")
        if source.get("name"):
            ET.SubElement(element, "name").text = str(source["name"])
        for device in source.get("devices") or []:
            ET.SubElement(element, "device", path=str(device["path"]))
    path = (inputs.get("target") or {}).get("path") or inputs.get("path")
    if path:
        ET.SubElement(ET.SubElement(pool, "target"), "path").text = str(path)
    return ET.tostring(pool, encoding="unicode")
