"""Two real libvirt daemons, private to the lab, beside any that the machine already runs.

libvirtd's paths under /run, /var and /etc are compiled in. As root, each daemon therefore runs in a mount namespace of
its own in which these paths lead into the lab's folders; the machine's own libvirt is neither seen nor touched. Without
root, libvirtd's session mode is used, which keeps everything below the XDG folders that it is given. No bridge, no
firewall rule, no cgroup: machines use QEMU's user network with a port forwarded from 127.0.0.1.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import paths, processes
from lab.errors import DaemonFailed, LabError, PartMissing
from lab.model import Lab, LabHypervisor

START_SECONDS = 30.0

DAEMON_SETTINGS = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
"""

# What needs systemd, cgroups, AppArmor or virtlogd is off: a lab has none of them to rely on.
QEMU_SETTINGS = """\
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
"""
QEMU_SETTINGS_AS_ROOT = 'user = "root"\ngroup = "root"\ndynamic_ownership = 0\n'

# $1 is the hypervisor's run folder, $2 its state folder, $3 the cache. `exec` keeps the process that was recorded.
AS_ROOT = """\
set -e
mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt
mount --bind "$1/run" /run/libvirt
mount --bind "$2/lib" /var/lib/libvirt
mount --bind "$3" /var/cache/libvirt
mount --bind "$2/log" /var/log/libvirt
mount --bind "$2/etc" /etc/libvirt
exec libvirtd --pid-file "$1/libvirtd.pid" --config /etc/libvirt/libvirtd.conf
"""


def record_name(hypervisor: LabHypervisor) -> str:
    """Name of the daemon's process record."""
    return f"libvirtd-{hypervisor.name}"


def start(lab: Lab, hypervisor: LabHypervisor) -> None:
    """Start the daemon unless it runs, wait until it answers, and make sure of its storage pool `default`.

    Raises:
        PartMissing: libvirtd is not installed.
        DaemonFailed: it ended or did not answer within 30 s.
    """
    record = processes.read_record(lab.records, record_name(hypervisor))
    if record is None or not processes.is_alive(record):
        record = _launch(lab, hypervisor)
    _wait(lab, hypervisor, record)
    _ensure_pool(hypervisor)


def _launch(lab: Lab, hypervisor: LabHypervisor) -> processes.Recorded:
    if shutil.which("libvirtd", path=_PATH) is None:
        raise PartMissing("libvirtd", "install it with `apt-get install libvirt-daemon-system`.")
    run, state = lab.run_directory / hypervisor.name, hypervisor.directory
    log = lab.logs / f"{record_name(hypervisor)}.log"
    hypervisor.images.mkdir(parents=True, exist_ok=True)
    # What libvirt finds out about QEMU (4 s of work) is the same for every lab of this user; libvirt checks its age.
    cache = paths.cache_directory() / "libvirt"
    cache.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": _PATH}
    if os.geteuid() == 0:
        for folder in (run / "run", *(state / name for name in ("lib", "log", "etc"))):
            folder.mkdir(parents=True, exist_ok=True)
        _configure(state / "etc", QEMU_SETTINGS + QEMU_SETTINGS_AS_ROOT)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_ROOT, "sh"]
        command += [str(run), str(state), str(cache)]
    else:
        settings = state / "config" / "libvirt"
        for folder in (run / "xdg", settings, state / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        (run / "xdg").chmod(0o700)
        _configure(settings, QEMU_SETTINGS)
        environment |= {
            "XDG_RUNTIME_DIR": str(run / "xdg"),
            "XDG_CONFIG_HOME": str(settings.parent),
            "XDG_CACHE_HOME": str(cache),
            "XDG_DATA_HOME": str(state / "data"),
        }
        command = ["libvirtd", "--pid-file", str(run / "libvirtd.pid"), "--config", str(settings / "libvirtd.conf")]
    return processes.start(
        command, name=record_name(hypervisor), directory=lab.records, log=log, environment=environment
    )


_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def _configure(folder: Path, qemu: str) -> None:
    (folder / "libvirtd.conf").write_text(DAEMON_SETTINGS, encoding="utf-8")
    (folder / "qemu.conf").write_text(qemu, encoding="utf-8")


def _wait(lab: Lab, hypervisor: LabHypervisor, record: processes.Recorded) -> None:
    log = lab.logs / f"{record.name}.log"
    deadline = time.monotonic() + START_SECONDS
    while not answers(hypervisor):
        if not processes.is_alive(record):
            raise DaemonFailed(f"libvirtd of {hypervisor.name}", "ended while it was starting", log)
        if time.monotonic() > deadline:
            raise DaemonFailed(f"libvirtd of {hypervisor.name}", f"did not answer in {START_SECONDS:.0f} s", log)
        time.sleep(0.1)


@contextmanager
def connection(hypervisor: LabHypervisor) -> Iterator[Any]:
    """An open `libvirt.virConnect`. Raises libvirt.libvirtError where the daemon can't be reached."""
    import libvirt  # built at set-up against the machine's library; the rest of the lab imports without it

    # The library prints every error to stderr unless a handler is set.
    libvirt.registerErrorHandler(_quiet, None)
    opened = libvirt.open(hypervisor.uri)
    try:
        yield opened
    finally:
        opened.close()


def _quiet(_context: object, _error: object) -> None:
    return None


def answers(hypervisor: LabHypervisor) -> bool:
    """True where the daemon takes a connection and lists its machines."""
    import libvirt

    if not hypervisor.socket.exists():
        return False
    try:
        with connection(hypervisor) as opened:
            opened.listAllDomains()
    except libvirt.libvirtError:
        return False
    return True


def machines(hypervisor: LabHypervisor) -> dict[str, bool]:
    """Machines by name; True for those that run.

    Raises:
        LabError: the daemon can't be reached.
    """
    import libvirt

    try:
        with connection(hypervisor) as opened:
            return {domain.name(): bool(domain.isActive()) for domain in opened.listAllDomains()}
    except libvirt.libvirtError as error:
        raise LabError(f"hypervisor {hypervisor.name} does not answer: {error}") from None


def _ensure_pool(hypervisor: LabHypervisor) -> None:
    import libvirt

    target = f"<target><path>{hypervisor.images}</path></target>"
    with connection(hypervisor) as opened:
        try:
            pool = opened.storagePoolLookupByName("default")
        except libvirt.libvirtError:
            pool = opened.storagePoolDefineXML(f"<pool type='dir'><name>default</name>{target}</pool>")
        if not pool.isActive():
            pool.create()


def stop(lab: Lab, hypervisor: LabHypervisor) -> bool:
    """End the daemon but not its machines, as a host that does not answer; `start` brings it back. True if it ran."""
    record = processes.read_record(lab.records, record_name(hypervisor))
    return record is not None and processes.end(record)
