"""The connection to one hypervisor: opened within a time limit, shared by threads, with errors in one sentence."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import libvirt

from lab.plugins.errors import PluginError, UnreachableError

_OPEN_SECONDS: Final = 20.0

# libvirt prints every error to stderr unless it is given a handler; we raise them instead.
libvirt.registerErrorHandler(lambda *_: None, None)


@dataclass(frozen=True)
class LibvirtConnection:
    """A hypervisor by its libvirt URI."""

    uri: str
    open: Callable[[str], Any] = libvirt.open
    seconds: float = _OPEN_SECONDS
    _connections: list[Any] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _pools: dict[str, threading.Lock] = field(default_factory=dict, repr=False)

    def connection(self) -> Any:
        """Returns the open connection. Raises UnreachableError where the hypervisor doesn't answer."""
        with self._lock:
            if self._connections and self._connections[0].isAlive():
                return self._connections[0]
            self._connections.clear()
            self._connections.append(self._open())
            return self._connections[0]

    @contextmanager
    def doing(self, what: str) -> Iterator[Any]:
        """Yields the connection; libvirt's errors come out as PluginError that starts with ``what``."""
        connection = self.connection()
        try:
            yield connection
        except libvirt.libvirtError as error:
            raise refused(what, error) from error

    @contextmanager
    def pool(self, name: str) -> Iterator[Any]:
        """Yields a storage pool, refreshed, held by one caller at a time. Raises PluginError where there is none."""
        with self._lock:
            lock = self._pools.setdefault(name, threading.Lock())
        with lock:
            connection = self.connection()
            try:
                pool = connection.storagePoolLookupByName(name)
            except libvirt.libvirtError as error:
                raise PluginError(f"can't find storage pool '{name}' on {shown(self.uri)}", code="no-pool") from error
            if pool.isActive():
                pool.refresh(0)
            yield pool

    @cached_property
    def capabilities(self) -> ET.Element:
        """The host's capabilities."""
        with self.doing("error retrieving the host's capabilities") as connection:
            return ET.fromstring(connection.getCapabilities())

    @property
    def architecture(self) -> str:
        """The host's architecture."""
        return self.capabilities.findtext("host/cpu/arch") or "x86_64"

    def machines(self, architecture: str) -> dict[str, str]:
        """Returns machine name → canonical name (often the same) for a guest architecture; empty where there is
        none."""
        arch = self._guest(architecture)
        machines = arch.iter("machine") if arch is not None else ()
        return {str(one.text): one.get("canonical") or str(one.text) for one in machines}

    def emulator(self, architecture: str) -> str | None:
        """Returns the program that runs guests of an architecture, or None where the host names none."""
        arch = self._guest(architecture)
        return arch.findtext("emulator") if arch is not None else None

    def _guest(self, architecture: str) -> ET.Element | None:
        for guest in self.capabilities.findall("guest"):
            arch = guest.find("arch")
            if arch is not None and arch.get("name") == architecture and guest.findtext("os_type") == "hvm":
                return arch
        return None

    def _open(self) -> Any:
        # A host that swallows packets would hold us for minutes: the attempt runs aside and is given up on.
        result: list[Any] = []

        def attempt() -> None:
            try:
                result.append(self.open(self.uri))
            except libvirt.libvirtError as error:
                result.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(self.seconds)
        if not result:
            raise UnreachableError(f"the hypervisor {shown(self.uri)} did not answer within {self.seconds:g} s")
        if isinstance(result[0], libvirt.libvirtError):
            reason = result[0].get_error_message() or str(result[0])
            raise UnreachableError(f"failed to connect to the hypervisor {shown(self.uri)}: {reason}")
        return result[0]


def shown(uri: str) -> str:
    """Returns a URI fit for messages: user, password and query (which may name keys) are left out."""
    head, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def refused(what: str, error: Any) -> PluginError:
    """Returns libvirt's error as ours: its sentence, and its number as the code."""
    message = error.get_error_message() or str(error)
    return PluginError(f"{what}: {message}", code=str(error.get_error_code()))


def is_code(error: Any, *codes: int) -> bool:
    """Whether a libvirt error carries one of these numbers."""
    return error.get_error_code() in codes
