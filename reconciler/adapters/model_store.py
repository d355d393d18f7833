"""Kept models: a folder of versions, each complete and checked by digest, and a pointer to the current one.

    models/
      current                text: the name of the current version
      000007/                one version: the forecaster's files and manifest.json (format, SHA-256 of each)

The rule: a version is written beside the others, flushed, and only then named by the pointer, which is replaced in one
step. A kill at any moment leaves the old version current; what it left half-written is removed by the next save.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from forecaster.errors import ModelStoreError
from forecaster.plbm.serialise import FORMAT, REMEDY, from_files, to_files
from forecaster.plbm.state import PlbmState
from reconciler.adapters.files import make_folder, sync_folder, unusable, write_text

POINTER, MANIFEST = "current", "manifest.json"
#: Versions kept besides the current one.
SPARE = 2


def save_state(folder: Path, state: PlbmState) -> str:
    """Keep a state as a new version and make it current; returns its name.

    Raises `InputError` where the disk is full or the folder can't be written; the current version stays as it was.
    """
    files = to_files(state)
    manifest = {"format": FORMAT, "files": {name: _digest(content) for name, content in sorted(files.items())}}
    try:
        make_folder(folder)
        name = f"{_newest(folder) + 1:06d}"
        target = folder / name
        target.mkdir()
        for file, content in (*files.items(), (MANIFEST, json.dumps(manifest, indent=2, sort_keys=True).encode())):
            with (target / file).open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        sync_folder(target)
        sync_folder(folder)
    except OSError as problem:
        said = f"the model can't be kept: {problem.strerror}; the old one is intact."
        raise unusable(folder, problem, said, "Free the disk or correct the permissions.") from None
    write_text(folder / POINTER, name + "\n")
    _remove_others(folder, name)
    return name


def load_state(folder: Path) -> PlbmState:
    """The current version's state. Raises `ModelStoreError` where there is none, or it is old or damaged."""
    target = folder / current_version(folder)
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        digests = manifest["files"]
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelStoreError(f"{target} is cut short: its {MANIFEST} is missing or damaged; {REMEDY}.") from None
    if found != FORMAT:
        raise ModelStoreError(f"{target} is of format {found}, this version reads {FORMAT}; {REMEDY}.")
    files = {}
    for name, digest in digests.items():
        try:
            content = (target / name).read_bytes()
        except OSError:
            raise ModelStoreError(f"{target} is cut short: {name} is missing; {REMEDY}.") from None
        if _digest(content) != digest:
            raise ModelStoreError(f"{target / name} is cut short or was changed (its digest differs); {REMEDY}.")
        files[name] = content
    return from_files(files)


def current_version(folder: Path) -> str:
    """Name of the current version. Raises `ModelStoreError` where there is none or the pointer names none."""
    pointer = folder / POINTER
    if not pointer.exists():
        raise ModelStoreError(f"{folder} holds no kept model; run `tiercast train` first.")
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        name = ""
    if not name.isdecimal():
        raise ModelStoreError(f"{pointer} is damaged: it should name a version, such as 000007; {REMEDY}.")
    return name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _versions(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and p.name.isdigit())


def _newest(folder: Path) -> int:
    return max((int(p.name) for p in _versions(folder)), default=0)


def _remove_others(folder: Path, current: str) -> None:
    """Older versions beyond the spare ones, and any that a killed save left without a manifest."""
    whole = [p for p in _versions(folder) if (p / MANIFEST).exists() and p.name != current]
    for version in _versions(folder):
        if version.name != current and version not in whole[-SPARE:]:
            shutil.rmtree(version, ignore_errors=True)
