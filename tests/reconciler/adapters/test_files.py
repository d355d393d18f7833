"""Files are written whole or not at all, and faults name file and line."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.files import read_json, read_yaml, write_json, write_text
from reconciler.errors import InputError


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
