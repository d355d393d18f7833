"""Removes what half-finished creations left on hypervisors. It is called only for resources that are known to be this stack's."""

from __future__ import annotations

import shlex

from reconciler.adapters.world.domains import virsh
from reconciler.errors import Unavailable
from stacks.contract import Hypervisor

#: A running domain is powered off before it is undefined.
_REMOVE_S = 30.0


def remove_domain(host: Hypervisor, uuid: str, *, running: bool) -> None:
    """Power a domain off and undefine it. One that is gone already is done.

    Raises:
        Unavailable: the hypervisor refuses or does not answer.
    """
    undefine = f"undefine {uuid} --managed-save --snapshots-metadata --nvram"
    try:
        if running:
            virsh(host, f"destroy {uuid}", timeout_s=_REMOVE_S)
        virsh(host, undefine, timeout_s=_REMOVE_S)
    except ConnectionError as error:
        if uuid in _uuids(host):
            raise Unavailable(f"Domain {uuid} on {host.name} can't be removed: {error}.") from None


def remove_volume(host: Hypervisor, key: str) -> None:
    """Delete a volume by its key. One that is gone already is done. Errors as `remove_domain`."""
    try:
        virsh(host, f"vol-delete {shlex.quote(key)}", timeout_s=_REMOVE_S)
    except ConnectionError as error:
        if "Storage volume not found" not in str(error):
            raise Unavailable(f"Volume {key} on {host.name} can't be removed: {error}.") from None


def _uuids(host: Hypervisor) -> set[str]:
    return set(virsh(host, "list --all --uuid").split())
