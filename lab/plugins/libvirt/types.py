"""The resource types of the lab's libvirt plugin: one line each."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Mapping
from typing import Final

from lab.plugins.check import Failure
from lab.plugins.errors import PluginError
from lab.plugins.libvirt.cloud_init_disk import CloudInitDisks
from lab.plugins.libvirt.domain import Domains
from lab.plugins.libvirt.hypervisor import LibvirtConnection
from lab.plugins.libvirt.pool import Pools
from lab.plugins.libvirt.volume import Volumes
from lab.plugins.provider import Provider
from lab.plugins.resource import Lifecycle
from lab.plugins.wire import Properties

TYPES: Final[tuple[Callable[..., Lifecycle], ...]] = (
    CloudInitDisks,
    Domains,
    Pools,
    Volumes,
)


def provider(hypervisor: Callable[[str], LibvirtConnection] = LibvirtConnection) -> Provider:
    """Returns the provider; tests pass their own ``hypervisor``."""

    def lifecycles(configuration: Properties) -> Mapping[str, Lifecycle]:
        uri = configuration.get("uri") or os.environ.get("LIBVIRT_DEFAULT_URI")
        if not uri:
            raise PluginError(
                "the libvirt provider needs the connection URI of a hypervisor: set `uri`, e.g. qemu:///system"
            )
        host = hypervisor(str(uri))
        host.connection()  # as upstream: a hypervisor that doesn't answer fails here, at preview already
        made = [kind(host=host) for kind in TYPES]
        return {one.spec.token: one for one in made}

    return Provider(
        name="libvirt",
        version=importlib.metadata.version("pulumi-libvirt"),
        sdk="pulumi_libvirt.Provider",
        connect=lifecycles,
        specs={kind.spec.token: kind.spec for kind in TYPES},  # type: ignore[attr-defined]
        check=_check,
    )


def _check(configuration: Properties) -> list[Failure]:
    if configuration.get("uri") or os.environ.get("LIBVIRT_DEFAULT_URI"):
        return []
    reason = 'Missing required argument. The argument "uri" is required, but no definition was found.'
    return [Failure(property="uri", reason=reason)]
