"""The set-up's refusals, each one sentence that says what to do; and its content-keyed steps."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import acceleration, engine, paths, ports, processes
from lab.env import shell_exports
from lab.errors import LabError, PartMissing
from lab.image import ArchiveMember, pack
from lab.model import describe, load, save
from lab.progress import silent
from lab.values import stack_values

ROOT = paths.repository_root()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the set-up's files and a `bin` of stand-ins that is the whole PATH."""
    (tmp_path / "lab").mkdir()
    for name in ("bootstrap.sh", "packages.txt"):
        shutil.copy(ROOT / "lab" / name, tmp_path / "lab" / name)
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "env", "cat", "sha256sum"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    stand_in(tmp_path, "python3", f'exec {sys.executable} "$@"')
    return tmp_path


def stand_in(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def bootstrap(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [folder / "bin" / "bash", folder / "lab" / "bootstrap.sh"],
        env={"PATH": str(folder / "bin"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_without_root_and_sudo_one_sentence_names_the_missing_packages(bare: Path) -> None:
    stand_in(bare, "dpkg-query", "exit 1")
    stand_in(bare, "apt-get", "exit 99")
    stand_in(bare, "id", "echo 1000")
    code, errors = bootstrap(bare)
    assert code == 1
    assert errors.startswith("Error: These Debian packages are missing: libvirt-daemon-system ")
    assert "run make as root once" in errors
    assert errors.count("\n") == 1


def test_with_sudo_only_what_is_missing_is_installed_and_a_failure_is_said(bare: Path) -> None:
    stand_in(bare, "dpkg-query", 'case "$*" in *xsltproc*|*haproxy*) exit 1;; esac; echo installed')
    stand_in(bare, "id", "echo 1000")
    stand_in(bare, "sudo", 'exec "$@"')
    stand_in(bare, "apt-get", 'echo "apt-get $*" >&2; case "$1" in install) exit 100;; esac')
    code, errors = bootstrap(bare)
    assert code == 1
    assert "apt-get install -q -y --no-install-recommends xsltproc haproxy\n" in errors
    assert errors.endswith("Error: apt-get could not install xsltproc haproxy. See the lines above.\n")


def test_another_distribution_is_told_what_it_needs(bare: Path) -> None:
    stand_in(bare, "id", "echo 0")
    code, errors = bootstrap(bare)
    assert code == 1
    assert "this machine has no apt-get" in errors


def test_without_python_it_is_named(bare: Path) -> None:
    (bare / "bin" / "python3").unlink()
    code, errors = bootstrap(bare)
    assert code == 1
    assert "Python 3.11 or newer is missing" in errors


def test_without_go_and_cli_one_sentence_says_how_to_get_either(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.setup"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The Pulumi engine is missing. Put Pulumi's CLI")
    assert "Go 1.26" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failing_build_reports_gos_last_line_and_leaves_no_half_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "go", "echo first >&2; echo 'go: no space left on device' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    if engine.cli_on_path() is not None:
        pytest.skip("this machine has a CLI on the system's PATH")
    with pytest.raises(LabError, match="no space left on device"):
        engine.ensure(tmp_path / "cache", silent)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_an_old_cli_on_the_path_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "pulumi", "echo v3.100.0")
    assert engine.cli_on_path(str(tmp_path / "bin")) is None
    stand_in(tmp_path, "pulumi", "echo v3.300.1")
    assert engine.cli_on_path(str(tmp_path / "bin")) == (tmp_path / "bin" / "pulumi", "v3.300.1")
    assert engine.host_of(tmp_path / "bin" / "pulumi", str(tmp_path / "bin")) is None
    stand_in(tmp_path, engine.HOST, "exit 0")
    assert engine.host_of(tmp_path / "bin" / "pulumi", "") == tmp_path / "bin" / engine.HOST


def test_an_official_cli_with_its_own_host_gets_nothing_of_ours_on_the_path(tmp_path: Path) -> None:
    official = engine.EngineProgram(cli=tmp_path / "pulumi", version="v3.300.1", exec_script=None)
    engine.write_programs(official, tmp_path / "bin", tmp_path / "home")
    assert list((tmp_path / "bin").iterdir()) == []


def test_every_checkout_has_ports_of_its_own_that_stay(tmp_path: Path) -> None:
    first = ports.choose_base(tmp_path / "a")
    assert ports.choose_base(tmp_path / "a") == first
    assert len({ports.choose_base(tmp_path / name) for name in "abcdefgh"}) > 4
    assert (first - ports.FIRST) % ports.BLOCK == 0


@pytest.mark.parametrize("port", [80, 65500])
def test_a_port_out_of_range_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(LabError, match=f"--base-port {port}"):
        ports.choose_base(tmp_path, port)


def test_what_a_lab_chose_is_read_back(tmp_path: Path) -> None:
    made = describe(
        tmp_path, directory=tmp_path / "s", base_port=20000, domain_type="qemu", kernel=Path("/k"), initrd=Path("/i")
    )
    save(made)
    assert load(tmp_path / "s") == made
    assert load(tmp_path / "elsewhere") is None
    (tmp_path / "s" / "lab.json").write_text('{"version": 1, "root"')
    with pytest.raises(LabError, match="make clean"):
        load(tmp_path / "s")


def test_the_labs_values_are_those_of_the_contract(tmp_path: Path) -> None:
    contract = pytest.importorskip("stacks.contract")
    made = describe(
        tmp_path, directory=tmp_path / "s", base_port=20000, domain_type="qemu", kernel=Path("/k"), initrd=Path("/i")
    )
    metal = contract.Metal.model_validate(stack_values(made)["hot"])
    assert [h.name for h in metal.hypervisors] == ["hv-a", "hv-b"]
    assert metal.domain_type == "qemu"
    assert {"{name}", "{port}"} <= {token for token in ("{name}", "{port}") if token in metal.overlay}


def test_shell_exports_are_quoted() -> None:
    assert shell_exports({"B": "it's", "A": "plain"}) == "export A=plain\nexport B='it'\"'\"'s'\n"


def test_the_image_is_an_archive_that_cpio_reads() -> None:
    archive = pack(
        [ArchiveMember(name="bin", mode=0o40755), ArchiveMember(name="bin/hello", mode=0o100755, data=b"hi\n")]
    )
    listing = subprocess.run(["cpio", "-itv", "--quiet"], input=archive, capture_output=True, check=False)
    if listing.returncode == 127:
        pytest.skip("no cpio")
    assert b"bin/hello" in listing.stdout
    assert len(archive) % 4 == 0


def test_without_the_device_machines_run_on_the_translator(tmp_path: Path) -> None:
    verdict = acceleration.decide(Path("/k"), Path("/i"), tmp_path, device=tmp_path / "kvm")
    assert verdict.domain_type == "qemu"
    assert "no " in verdict.reason


def test_a_record_speaks_of_one_process_only(tmp_path: Path) -> None:
    record = processes.start(["sleep", "60"], name="sleeper", directory=tmp_path, log=tmp_path / "log")
    assert processes.is_alive(record)
    other = processes.Recorded(name="sleeper", pid=record.pid, ticks=record.ticks + 1, boot=record.boot)
    assert not processes.is_alive(other)
    assert not processes.end(other)
    assert not processes.end(processes.Recorded(name="x", pid=record.pid, ticks=record.ticks, boot="another"))
    assert processes.is_alive(record)
    assert processes.read_records(tmp_path) == [record]
    assert processes.end(record)
    assert not processes.is_alive(record)


def test_a_process_that_ignores_sigterm_or_is_stopped_is_ended_all_the_same(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    record = processes.start([sys.executable, "-c", stubborn], name="s", directory=tmp_path, log=tmp_path / "log")
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.05)
    assert processes.end(record, patience=0.2)
    stopped = processes.start(["sleep", "60"], name="t", directory=tmp_path, log=tmp_path / "log")
    os.kill(stopped.pid, signal.SIGSTOP)
    assert processes.end(stopped)


def test_a_program_that_is_not_there_is_named() -> None:
    assert "apt-get install x" in str(PartMissing("x", "install it with `apt-get install x`."))


def test_a_labs_own_programs_on_path_are_not_taken_for_the_users_cli(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "pulumi").write_text("#!/bin/sh\necho v3.300.1\n")
        (folder / "pulumi").chmod(0o755)
    (ours / engine.HOST).write_text('#!/bin/sh\nexec python -P -m lab.host "$@"\n')
    assert engine.cli_on_path(f"{ours}") is None
    assert engine.cli_on_path(f"{ours}:{theirs}") == (theirs / "pulumi", "v3.300.1")
