"""What does not answer in a run: a disk, a mount, a hypervisor. The run fails with an error that may be retried."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from forecaster.errors import HistoryError
from reconciler.adapters.files import read_text, write_text
from reconciler.adapters.history import source
from reconciler.adapters.project import Project
from reconciler.errors import InputError, SourceSilent, Unavailable
from reconciler.loop import Mode, RunOptions, gather, make_plan, reconcile_once
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, Model, plan, warm, write_history
from tests.reconciler.loop.test_loop_feedback import model as model
from tests.reconciler.loop.test_loop_feedback import project as project


def raising(error: Exception) -> Any:
    def fails(*_: object, **__: object) -> Any:
        raise error

    return fails


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ENOENT, errno.EACCES])
def test_a_history_that_the_system_does_not_give_is_silent_and_a_memory_takes_its_place(
    code: int, project: Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = write_history(project.root, WEEKS)
    lost = OSError(code, os.strerror(code), "h.csv")
    with monkeypatch.context() as now:
        now.setattr(source, "read_recorded", raising(lost))
        with pytest.raises(SourceSilent, match=os.strerror(code)) as caught:
            make_plan(project, as_of=None, now=end)
        assert caught.value.retryable
    plan(project, WEEKS)
    monkeypatch.setattr(source, "read_recorded", raising(lost))
    made = make_plan(project, as_of=None, now=end + HOUR)
    assert made.demoted
    assert warm(made) == 30


def test_a_reader_that_hides_the_cause_is_checked_by_reading_the_file(
    project: Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = write_history(project.root, WEEKS)
    monkeypatch.setattr(source, "read_recorded", raising(HistoryError("h.csv: can't be read as a history.")))
    with pytest.raises(HistoryError):
        make_plan(project, as_of=None, now=end)
    whole = Path.open

    def opened(path: Path, *words: Any, **named: Any) -> Any:
        if path.name == "h.csv":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return whole(path, *words, **named)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(SourceSilent):
        make_plan(project, as_of=None, now=end)


def test_a_path_that_cannot_be_looked_at_may_answer_later(
    project: Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = write_history(project.root, WEEKS)
    monkeypatch.setattr(gather, "read_memory", raising(OSError(errno.ESTALE, "Stale file handle", "memory.json")))
    with pytest.raises(Unavailable, match=r"memory\.json: Stale file handle"):
        reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=end), progress=print)


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.EIO, Unavailable), (errno.ESTALE, Unavailable), (errno.EACCES, InputError)]
)
def test_a_file_on_a_disk_that_fails_may_be_read_or_written_later_and_a_wrong_one_not(
    code: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("a", encoding="utf-8")
    error = OSError(code, os.strerror(code))
    with monkeypatch.context() as now:
        now.setattr(Path, "read_text", raising(error))
        with pytest.raises(kind, match=os.strerror(code)):
            read_text(path, "a file")
    monkeypatch.setattr(os, "fsync", raising(error))
    with pytest.raises(kind, match=os.strerror(code)):
        write_text(path, "b")
