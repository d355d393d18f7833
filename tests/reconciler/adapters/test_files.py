"""Files are written whole or not at all, and faults name file and line."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.adapters.files import read_json, read_yaml, write_json, write_text
from reconciler.errors import InputError, Unavailable


def test_writing_the_same_bytes_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert write_text(path, "a\n")
    before = path.stat().st_mtime_ns
    assert not write_text(path, "a\n")
    assert path.stat().st_mtime_ns == before


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_text(path, "old\n")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; the old file is intact"):
        write_text(path, "new\n")
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "old\n")
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom reconciler.adapters import files\n"
        "files.os.fsync = lambda fd: (print('writing', flush=True), time.sleep(30))\n"
        "files.write_text(Path(sys.argv[1]), 'new' * 100000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "old\n"


def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "a")
    path.chmod(0o600)
    write_text(path, "b")
    assert path.stat().st_mode & 0o777 == 0o600


def test_faults_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "y").write_text("a: 1\nb: [\n")
    (tmp_path / "j").write_text('{"a":\n}')
    with pytest.raises(InputError, match=r"y, line 3: not valid YAML"):
        read_yaml(tmp_path / "y", "settings")
    with pytest.raises(InputError, match=r"j, line 2: not valid JSON"):
        read_json(tmp_path / "j", "a plan")
    with pytest.raises(InputError, match="no such file; expected a plan"):
        read_json(tmp_path / "none", "a plan")


def test_json_keeps_the_order_of_keys_and_ends_in_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "j", {"b": 1, "a": "ü"})
    assert (tmp_path / "j").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "ü"\n}\n'


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the process's umask until the test ends."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755)])
def test_what_is_new_has_the_mode_that_the_umask_allows(
    tmp_path: Path, umask: Callable[[int], int], mask: int, file: int, folder: int
) -> None:
    umask(mask)
    write_json(tmp_path / "prod" / "plan.json", {})
    assert (tmp_path / "prod" / "plan.json").stat().st_mode & 0o777 == file
    assert (tmp_path / "prod").stat().st_mode & 0o777 == folder


def test_a_file_that_a_team_shares_keeps_its_mode_under_a_private_umask(
    tmp_path: Path, umask: Callable[[int], int]
) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    write_text(path, "a")
    path.chmod(0o664)
    umask(0o077)
    write_text(path, "b", through_link=True)
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_link_to_a_stack_file_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    target, link = tmp_path / "shared" / "prod.yaml", tmp_path / "Pulumi.prod.yaml"
    target.write_text("old\n")
    link.symlink_to(Path("shared") / "prod.yaml")
    assert write_text(link, "new\n", through_link=True)
    assert link.is_symlink()
    assert target.read_text() == "new\n"
    assert [p.name for p in (tmp_path / "shared").iterdir()] == ["prod.yaml"]


def test_a_link_in_place_of_an_artefact_is_refused_and_its_target_is_intact(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "plan.json"
    target.write_text("old\n")
    link.symlink_to(target)
    with pytest.raises(InputError, match=r"plan\.json: it is a symbolic link.*Remove the link"):
        write_json(link, {})
    assert link.is_symlink()
    assert target.read_text() == "old\n"


def test_new_names_are_flushed_in_every_folder_that_got_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def seen(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", seen)
    write_text(tmp_path / "a" / "b" / "plan.json", "x")
    folders = [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert sorted(name for name in flushed if Path(name).is_dir()) == folders
    assert flushed[-1] == folders[-1], "the folder is flushed after the new name is in it"


def test_a_folder_that_cannot_be_flushed_is_an_error_only_where_the_disk_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(number: int) -> Callable[[int], None]:
        def fsync(handle: int) -> None:
            if Path(f"/proc/self/fd/{handle}").readlink().is_dir():
                raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    assert write_text(tmp_path / "f", "a")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(Unavailable, match="cannot be flushed to disk: Input/output error"):
        write_text(tmp_path / "f", "b")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: 1\nb:\n  - c: 2026-13-40\n", ", line 3, key b[0].c"),
        ("2026-02-30\n", ", line 1"),
        ("ok: 2026-01-01\nbad: 2026-01-01T25:00:00Z\n", ", line 2, key bad"),
    ],
)
def test_a_date_that_does_not_exist_is_named_with_line_and_key(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match="is not a date that exists") as caught:
        read_yaml(file, "a fleet file")
    assert str(caught.value).startswith(f"{file}{where}: '2026-")
