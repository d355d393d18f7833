"""The inputs of past decisions: `runs/<plan id>.zip`, each a JSON document and the paths as a NumPy array.

A file has at most `MOST_BYTES`: where the paths do not fit they are kept at half the precision, or left out, and the ledger
says which. Files are deleted after `KEPT_FOR`, and the oldest ones before that where all have more than `MOST_TOTAL` bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reconciler.adapters.files import write_bytes
from reconciler.errors import InputError
from reconciler.plan.kept_inputs import RunInputs, secrets_in
from reconciler.record.entries import KeptInputs, Precision
from stacks.yaml_text import load_json

#: Bytes of one run and of all, and how long a run is kept.
MOST_BYTES, MOST_TOTAL, KEPT_FOR = 1_000_000, 2 * 1024**3, timedelta(days=30)
_DOCUMENT, _PATHS = "inputs.json", "paths.npy"
#: Digest of the document: values that no run has had can't be decided again, and the error would be any.
_DIGEST = "inputs.sha256"

#: What reading a damaged archive raises; the last two for a packing or an encryption that nobody wrote.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def write_run(folder: Path, inputs: RunInputs, *, now: datetime) -> KeptInputs | None:
    """Keep a run's inputs, readable by their owner alone; None where they seem to hold a secret, or do not fit.

    Raises:
        InputError: the file cannot be written.
    """
    if secrets_in(inputs):
        return None
    choices: tuple[tuple[Precision, NDArray[np.floating] | None], ...] = (
        ("exact", inputs.paths),
        ("float32", inputs.paths.astype(np.float32)),
        ("left out", None),
    )
    for precision, paths in choices:
        data = _packed(inputs, paths)
        if len(data) <= MOST_BYTES:
            file = folder / f"{inputs.plan}.zip"
            write_bytes(file, data, mode=0o600)
            os.utime(file, (now.timestamp(), now.timestamp()))
            _prune(folder, file, now)
            return KeptInputs(file=file.name, bytes=len(data), paths=precision)
    return None


def read_run(folder: Path, prefix: str) -> tuple[RunInputs, Path]:
    """The inputs of the plan whose id starts with `prefix`.

    Raises:
        InputError: there is none, there are several, its paths were left out, or the file is damaged.
    """
    hexadecimal = re.fullmatch(r"[0-9a-f]+", prefix)
    found = sorted(folder.glob(f"{prefix}*.zip")) if hexadecimal else []
    if not found:
        raise InputError(
            str(folder),
            f"no inputs of a plan whose id starts with '{prefix}' are kept.",
            f"`tiercast history` lists the plans; inputs are kept for {KEPT_FOR.days} days.",
        )
    if len(found) > 1:
        names = ", ".join(file.stem for file in found[:5])
        raise InputError(
            str(folder), f"{len(found)} plans have an id that starts with '{prefix}': {names}.", "Give more digits."
        )
    file = found[0]
    try:
        with zipfile.ZipFile(file) as archive:
            text = archive.read(_DOCUMENT)
            if archive.read(_DIGEST).decode() != hashlib.sha256(text).hexdigest():
                raise ValueError("they were changed after the run")
            document = load_json(text.decode())
            if _PATHS not in archive.namelist():
                raise InputError(
                    str(file),
                    f"the forecast's paths were left out, because they have more than {MOST_BYTES} bytes.",
                    "Such a run can't be replayed; `tiercast explain ID` shows its decision.",
                )
            paths = np.load(io.BytesIO(archive.read(_PATHS)), allow_pickle=False)
    except _DAMAGED as error:
        raise InputError(str(file), f"the kept inputs cannot be read ({error}).", "Replay another run.") from None
    return RunInputs(document=document, paths=paths), file


def _packed(inputs: RunInputs, paths: NDArray[np.floating] | None) -> bytes:
    """The archive's bytes: equal inputs have equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        document = json.dumps(inputs.document, separators=(",", ":"), ensure_ascii=False).encode()
        archive.writestr(_member(_DOCUMENT), document)
        archive.writestr(_member(_DIGEST), hashlib.sha256(document).hexdigest())
        if paths is not None:
            array = io.BytesIO()
            np.save(array, paths, allow_pickle=False)
            archive.writestr(_member(_PATHS), array.getvalue())
    return target.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o600 << 16
    return member


def _prune(folder: Path, newest: Path, now: datetime) -> None:
    """Delete what is too old, and the oldest of what is too much; never the newest file."""
    files = sorted(((file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob("*.zip")), reverse=True)
    total, oldest = 0, (now - KEPT_FOR).timestamp()
    for time, size, file in files:
        total += size
        if file != newest and (time < oldest or total > MOST_TOTAL):
            file.unlink(missing_ok=True)
