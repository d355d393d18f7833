"""Storage volumes: finding them by key, filling them from an image, and removing them."""

from __future__ import annotations

import shutil
import tempfile
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlparse

import libvirt

from lab.plugins.errors import PluginError
from lab.plugins.libvirt.hypervisor import LibvirtConnection, is_code

_CHUNK: Final = 1 << 20
_QCOW2: Final = b"QFI\xfb"


def find_volume(host: LibvirtConnection, key: str) -> Any | None:
    """Returns the volume of a key (its path, for pools of files), or None where there is none."""
    with host.doing(f"error retrieving volume {key}") as connection:
        try:
            return connection.storageVolLookupByKey(key)
        except libvirt.libvirtError as error:
            if is_code(error, libvirt.VIR_ERR_NO_STORAGE_VOL):
                return None
            raise


def volume_by_key(host: LibvirtConnection, key: str) -> Any:
    """Returns the volume of a key. Raises PluginError where there is none."""
    volume = find_volume(host, key)
    if volume is None:
        raise PluginError(f"can't retrieve volume {key}: there is no such storage volume", code="no-volume")
    return volume


def volume_format(volume: Any) -> str | None:
    """Returns qcow2, raw, … as the volume's description states it."""
    target = ET.fromstring(volume.XMLDesc(0)).find("target/format")
    return target.get("type") if target is not None else None


@contextmanager
def source_image(source: str) -> Iterator[Path]:
    """Yields a local file with the image: a path or ``file://`` as it is, ``http(s)://`` downloaded for the while."""
    url = urlparse(source)
    if url.scheme in ("", "file"):
        path = Path(url.path if url.scheme else source)
        if not path.is_file():
            raise PluginError(f"error while retrieving the image {source}: there is no such file")
        yield path
        return
    if url.scheme not in ("http", "https"):
        raise PluginError(f"don't know how to read from '{url.scheme}': {source}")
    with tempfile.TemporaryDirectory(prefix="pulumi-libvirt-") as folder:
        path = Path(folder, "image")
        try:
            with urllib.request.urlopen(source, timeout=60) as response, path.open("wb") as file:
                shutil.copyfileobj(response, file)
        except (urllib.error.URLError, OSError) as error:
            raise PluginError(f"error while retrieving the image {source}: {error}") from error
        yield path


def is_qcow2(path: Path) -> bool:
    """Whether a file starts as a QCOW2 image does."""
    with path.open("rb") as file:
        return file.read(4) == _QCOW2


def upload(host: LibvirtConnection, volume: Any, path: Path) -> None:
    """Writes a local file into a volume."""
    with host.doing(f"error while uploading source {path}") as connection, path.open("rb") as file:
        stream = connection.newStream(0)
        volume.upload(stream, 0, path.stat().st_size, 0)
        stream.sendAll(_read, file)
        stream.finish()


def _read(_stream: Any, count: int, file: BinaryIO) -> bytes:
    return file.read(min(count, _CHUNK))


def download(host: LibvirtConnection, volume: Any, path: Path) -> None:
    """Writes a volume into a local file."""
    with host.doing(f"error while downloading volume {volume.name()}") as connection, path.open("wb") as file:
        stream = connection.newStream(0)
        volume.download(stream, 0, volume.info()[1], 0)
        stream.recvAll(_write, file)
        stream.finish()


def _write(_stream: Any, data: bytes, file: BinaryIO) -> int:
    return file.write(data)


def delete_volume(host: LibvirtConnection, key: str) -> None:
    """Removes a volume; one that is gone already is done."""
    volume = find_volume(host, key)
    if volume is None:
        return
    with host.doing(f"can't delete volume {key}"):
        pool = volume.storagePoolLookupByVolume().name()
    with host.pool(pool), host.doing(f"can't delete volume {key}"):
        try:
            volume.delete(0)
        except libvirt.libvirtError as error:
            if not is_code(error, libvirt.VIR_ERR_NO_STORAGE_VOL):
                raise
