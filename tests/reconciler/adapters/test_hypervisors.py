"""Hypervisors are asked without their URI in anybody's process list, and what they say shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.hypervisors import unreachable
from stacks.contract import Hypervisor

URI = "qemu+tcp://ops:CANARY-uri@hv-1/system"


@pytest.fixture
def virsh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for libvirt's client: notes its arguments and what it is connected to, then fails as the real one does."""
    client = tmp_path / "virsh"
    client.write_text(
        "#!/bin/sh\n"
        f"tr '\\0' ' ' < /proc/$$/cmdline >> {tmp_path}/arguments\n"
        f'echo "$VIRSH_DEFAULT_CONNECT_URI" >> {tmp_path}/connected\n'
        f"cat >> {tmp_path}/input\n"
        'printf "error: no connection driver for %s, \\033[31m%s\\n" "$VIRSH_DEFAULT_CONNECT_URI" "$SOME_TOKEN" >&2\n'
        "exit 1\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SOME_TOKEN", "CANARY-token")
    return tmp_path


def test_a_uri_is_passed_by_the_environment_and_never_as_an_argument(virsh: Path) -> None:
    host = Hypervisor(name="hv-1", uri=URI, cores=4, memory_mib=1024)
    unreachable([host])
    assert (virsh / "connected").read_text() == URI + "\n"
    assert "hostname" in (virsh / "arguments").read_text()
    assert "CANARY" not in (virsh / "arguments").read_text()
    assert (virsh / "input").read_text() == "", "nobody is asked for a password"


def test_what_the_client_says_is_told_without_secrets_and_escapes(virsh: Path) -> None:
    host = Hypervisor(name="hv-1", uri=URI, cores=4, memory_mib=1024)
    said = unreachable([host])["hv-1"]
    assert said == "no connection driver for qemu+tcp://ops:[secret]@hv-1/system, �[31m[secret]"
