"""The guests' image: the machine's Debian cloud kernel and a busybox initramfs that answers HTTP on port 80.

The archive is written here in cpio's newc format with fixed times and numbers, so the same kernel and busybox give the
same bytes; it is cached by the digest of what goes into it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
from dataclasses import dataclass
from pathlib import Path

from lab.errors import PartMissing

BUSYBOX = Path("/bin/busybox")
KERNEL_PACKAGE = "linux-image-cloud-amd64"

#: Modules in the order in which they must be loaded; each needs the ones before it.
MODULES = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
)

# The machine's name comes in as the SMBIOS serial number, so it is no part of the kernel's command line and therefore
# of nothing that a refresh compares. 10.0.2.15 is what QEMU's user network expects.
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /lib/modules/$module.ko; done
/bin/busybox ifconfig lo 127.0.0.1
/bin/busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0
name=$(/bin/busybox cat /sys/class/dmi/id/product_serial)
/bin/busybox hostname "${{name:-guest}}"
/bin/busybox printf 'hello from %s\\n' "$name" > /www/index.html
echo ok > /www/healthz
/bin/busybox httpd -p 80 -h /www
echo "tiercast: $name is ready"
exec /bin/busybox init
"""

# An ACPI power button needs a daemon that the image does not have; machines are stopped from outside.
INITTAB = "::wait:/bin/busybox sleep 2147483647\n"


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """One file or folder of the archive."""

    name: str
    mode: int
    data: bytes = b""


def find_kernel(boot: Path = Path("/boot")) -> Path:
    """The newest installed cloud kernel whose modules are there. Raises PartMissing."""
    kernels = [path for path in boot.glob("vmlinuz-*-cloud-amd64") if modules_of(path).is_dir()]
    if not kernels:
        raise PartMissing("A kernel for the lab's machines", f"install it with `apt-get install {KERNEL_PACKAGE}`.")
    return max(kernels, key=lambda path: [int(part) if part.isdigit() else 0 for part in _parts(path)])


def _parts(path: Path) -> list[str]:
    return path.name.removeprefix("vmlinuz-").replace("-", ".").split(".")


def modules_of(kernel: Path) -> Path:
    """The folder of a kernel's modules."""
    return Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-") / "kernel"


def build(kernel: Path, cache: Path, *, busybox: Path = BUSYBOX) -> Path:
    """The initramfs for `kernel`, built into `cache` unless it is there. Raises PartMissing."""
    archive = pack(_entries(kernel, busybox))
    path = cache / f"initramfs-{hashlib.sha256(archive).hexdigest()[:16]}.gz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_bytes(gzip.compress(archive, mtime=0))
        temporary.replace(path)
    return path


def _entries(kernel: Path, busybox: Path) -> list[ArchiveMember]:
    try:
        program = busybox.read_bytes()
    except OSError:
        raise PartMissing("busybox", "install it with `apt-get install busybox-static`.") from None
    folders = [ArchiveMember(name=name, mode=stat.S_IFDIR | 0o755) for name in _FOLDERS]
    names = " ".join(module.rpartition("/")[2] for module in MODULES)
    files = [
        ArchiveMember(name="bin/busybox", mode=stat.S_IFREG | 0o755, data=program),
        ArchiveMember(name="init", mode=stat.S_IFREG | 0o755, data=INIT.format(modules=names).encode()),
        ArchiveMember(name="etc/inittab", mode=stat.S_IFREG | 0o644, data=INITTAB.encode()),
    ]
    for module in MODULES:
        path = modules_of(kernel) / f"{module}.ko"
        try:
            data = path.read_bytes()
        except OSError:
            raise PartMissing(f"The kernel module {path}", f"reinstall the package {KERNEL_PACKAGE}.") from None
        files.append(ArchiveMember(name=f"lib/modules/{path.name}", mode=stat.S_IFREG | 0o644, data=data))
    return folders + files


_FOLDERS = ("bin", "dev", "etc", "lib", "lib/modules", "proc", "sys", "www")


def pack(entries: list[ArchiveMember]) -> bytes:
    """A cpio archive ("newc", what Linux unpacks as initramfs) of `entries`, owned by root, dated 1970."""
    out = io.BytesIO()
    for number, entry in enumerate([*entries, ArchiveMember(name="TRAILER!!!", mode=0)], start=1):
        name = entry.name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        _align(out)
        out.write(entry.data)
        _align(out)
    return out.getvalue()


def _align(out: io.BytesIO) -> None:
    out.write(b"\0" * (-out.tell() % 4))
