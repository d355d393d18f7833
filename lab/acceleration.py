"""Whether this machine runs guests with KVM: found out by starting one, because `/dev/kvm` alone promises nothing.

Where virtualisation is nested, the device can be there and a guest still never gets past its first instructions. So a
tiny guest is started under KVM and must say that it is up within a few seconds; else the lab uses QEMU's own translator
(TCG).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab.model import DomainType
from lab.processes import boot_id

EMULATOR = "qemu-system-x86_64"
DEVICE = Path("/dev/kvm")
#: Under working KVM the guest is up in about a second.
PROBE_SECONDS = 8
READY = b"is ready"


@dataclass(frozen=True, kw_only=True)
class DomainTypeChoice:
    """The domain type to use, and why."""

    domain_type: DomainType
    reason: str


def decide(kernel: Path, initrd: Path, cache: Path, *, device: Path = DEVICE) -> DomainTypeChoice:
    """KVM or TCG for this machine; a trial is made once per boot of the machine and remembered in `cache`."""
    if not device.exists():
        return DomainTypeChoice(
            domain_type="qemu", reason=f"there is no {device}: machines run on QEMU's translator (TCG)"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return DomainTypeChoice(
            domain_type="qemu", reason=f"{device} may not be opened by this user: machines run on TCG"
        )
    key = hashlib.sha256(f"{boot_id()} {kernel} {initrd}".encode()).hexdigest()[:16]
    memory = cache / f"kvm-{key}"
    if not memory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        works = boots_under_kvm(kernel, initrd, cache / f"kvm-{key}.{os.getpid()}.log")
        memory.write_text("yes" if works else "no", encoding="ascii")
    if memory.read_text(encoding="ascii") == "yes":
        return DomainTypeChoice(domain_type="kvm", reason="a trial guest came up under KVM")
    return DomainTypeChoice(
        domain_type="qemu", reason=f"a trial guest did not come up under KVM in {PROBE_SECONDS} s: machines run on TCG"
    )


def boots_under_kvm(kernel: Path, initrd: Path, log: Path) -> bool:
    """Start a guest under KVM and wait for its greeting on the serial console. Leaves neither guest nor log."""
    # `timeout` ends the guest even where this process is killed meanwhile.
    command = ["timeout", "--kill-after=1", str(PROBE_SECONDS), EMULATOR, "-accel", "kvm", "-cpu", "host"]
    command += ["-machine", "pc", "-m", "128", "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{log}", "-kernel", str(kernel), "-initrd", str(initrd)]
    command += ["-append", "console=ttyS0 quiet panic=-1"]
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            if log.exists() and READY in log.read_bytes():
                return True
            if guest.poll() is not None:
                return False
            time.sleep(0.1)
    finally:
        guest.terminate()
        guest.wait()
        log.unlink(missing_ok=True)
