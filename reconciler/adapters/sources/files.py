"""Files as a source: CSV, CSV.gz, TSV and Parquet files, folders of them, and patterns such as `logs/*.csv`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from forecaster.errors import HistoryError
from reconciler.adapters.sources.protocol import ReadWindow, Rows
from reconciler.errors import InputError, SourceSilent
from reconciler.fleet.file import HistorySection

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """The files that `paths` name, relative to `base`. A file is read once, whatever names, patterns and links lead to it."""

    name: ClassVar[str] = "files"
    paths: tuple[str, ...]
    base: Path = Path()

    @classmethod
    def declared(cls, section: HistorySection, base: Path) -> Self:
        """The source of `history.paths`."""
        if not section.paths:
            raise InputError(
                "fleet.yaml, history.paths",
                "is missing; source `files` needs `paths`.",
                "List files, folders or patterns, for instance `paths: [history.csv]`.",
            )
        return cls(paths=section.paths, base=base)

    def read(self, window: ReadWindow) -> Sequence[Rows]:  # noqa: ARG002  (files are cut after they are read)
        """One part per path, in order."""
        seen = set[tuple[int, int]]()
        parts = []
        try:
            for path in self.paths:
                files = []
                for file in files_of(self.base / path):
                    with file.open("rb") as stream:
                        stream.read(1)
                        status = os.fstat(stream.fileno())
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        files.append(file)
                if files:
                    parts.append(Rows(label=str(files[0]), files=tuple(files)))
        except OSError as problem:
            raise SourceSilent(f"{problem.filename or 'history'}: {problem.strerror or problem}.") from None
        return parts

    def fingerprint(self) -> str:
        """The paths as they are written."""
        return f"{self.name}: {', '.join(self.paths)}"


def files_of(path: Path) -> list[Path]:
    """The files that a path, a folder or a pattern means, sorted.

    Raises:
        SourceSilent: there is no such file or folder.
        HistoryError: it is no history, or a folder without one.
    """
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file() and f.name.lower().endswith(SUFFIXES))
        if not files:
            raise HistoryError(f"{path}: the folder holds no history file; put {', '.join(SUFFIXES)} files there.")
        return files
    if path.is_file():
        if not path.name.lower().endswith(SUFFIXES):
            raise HistoryError(f"{path}: not a history file; expected one of {', '.join(SUFFIXES)}.")
        return [path]
    if any(sign in path.name for sign in "*?[") and path.parent.is_dir():
        files = sorted(f for f in path.parent.glob(path.name) if f.is_file())
        if files:
            return files
    raise SourceSilent(f"{path}: no such file or folder; check the path under `history` in fleet.yaml.")
