"""Files: read with a clear error, write all or nothing (temporary file beside the target, then rename)."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reconciler.errors import InputError


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        InputError: it is not there, not readable, or not UTF-8; `what` names its role in the message.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(str(path), f"no such file; expected {what}.", "Check the path.") from None
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"not UTF-8 text (byte {error.start}); expected {what}.") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}; expected {what}.") from None


def read_yaml(path: Path, what: str) -> Any:
    """The plain values of a YAML file; errors as `read_text`, with the line where the syntax is wrong."""
    text = read_text(path, what)
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
        raise InputError(
            where, f"not valid YAML: {getattr(error, 'problem', None) or error}.", "Mend that line."
        ) from None


def read_json(path: Path, what: str) -> Any:
    """The value of a JSON file; errors as `read_text`, with line and column where the syntax is wrong."""
    text = read_text(path, what)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}", f"not valid JSON: {error.msg}; expected {what}.") from None


def write_text(path: Path, text: str) -> bool:
    """Write a text as `write_bytes` does; returns False where the file already holds it."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, *, mode: int | None = None) -> bool:
    """Write a file all or nothing; returns False, without touching it, where it already holds these bytes.

    A kill or a full disk leaves the old file intact. `mode`: of the file; None keeps that of the old one, else 0644.

    Raises:
        InputError: the folder is missing, not writable, or the disk is full.
    """
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return False
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is None:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise InputError(
            str(path),
            f"cannot be written: {error.strerror}; the old file is intact.",
            "Free the disk or mend the permissions.",
        ) from None
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    return True


def write_json(path: Path, value: Any) -> bool:
    """Write a value as indented JSON, all or nothing; keys keep their order, which may mean something (priorities)."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
