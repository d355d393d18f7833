"""Files: read with a clear error, write all or nothing (temporary file beside the target, then rename)."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reconciler.errors import InputError, Unavailable
from stacks.yaml_text import Places, TextFault, load_json, load_yaml

#: Error numbers of a disk or mount that does not answer. A file or path that is wrong has others.
SILENT = frozenset(
    {
        errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.ENOLINK,
        errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNREFUSED,
        errno.ECONNRESET, errno.ECONNABORTED, errno.ESHUTDOWN,
    }
)  # fmt: skip
STORAGE = "Check that the disk or mount answers, then run the command again."


@contextlib.contextmanager
def os_errors_as_unavailable() -> Iterator[None]:
    """Raise `Unavailable` for an OSError that no adapter named, such as that of `Path.exists` on a lost mount."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{error.filename or 'the system'}: {error.strerror or error}.", remedy=STORAGE) from error


def mount_lost(path: Path) -> bool:
    """Whether a file's folder is missing or empty, as a mount point is while nothing is mounted. Raises OSError."""
    try:
        return next(path.parent.iterdir(), None) is None
    except FileNotFoundError:
        return True


def unusable(path: Path, error: OSError, problem: str, remedy: str) -> InputError | Unavailable:
    """The error for a file that cannot be read or written: `Unavailable` where its disk or mount does not answer."""
    if error.errno in SILENT:
        return Unavailable(f"{path}: {problem}", remedy=STORAGE)
    return InputError(str(path), problem, remedy)


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        InputError: it is not there, not readable, or not UTF-8; `what` names its role in the message.
        Unavailable: its disk or mount does not answer.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(str(path), f"no such file; expected {what}.", "Check the path.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), f"not UTF-8 text (byte {error.start}); expected {what}.", "Save it as UTF-8."
        ) from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror}; expected {what}."
        raise unusable(path, error, problem, "Correct the path or its permissions.") from None


def read_yaml(path: Path, what: str) -> Any:
    """The plain values of a YAML file; errors as `read_placed`."""
    return read_placed(path, what)[0]


def read_json(path: Path, what: str) -> Any:
    """The value of a JSON file; errors as `read_placed`."""
    return read_placed(path, what, load_json)[0]


def read_placed(path: Path, what: str, load: Callable[[str], Any] = load_yaml) -> tuple[Any, Places]:
    """The plain values of a YAML file (with `load_json`: a JSON file) and the places of its keys.

    Errors are those of `read_text`, and one sentence with the line and key for content that can't be read.
    """
    text = read_text(path, what)
    try:
        return load(text), Places(text)
    except TextFault as error:
        raise InputError(f"{path}{error.place}", f"{error.problem}; expected {what}.", error.remedy) from None


def write_text(path: Path, text: str, *, through_link: bool = False) -> bool:
    """Write a text as `write_bytes` does; returns False where the file already holds it."""
    return write_bytes(path, text.encode(), through_link=through_link)


def write_bytes(path: Path, data: bytes, *, mode: int | None = None, through_link: bool = False) -> bool:
    """Write a file all or nothing; returns False, without touching it, where it already holds these bytes.

    A kill or a full disk leaves the old file intact.

    Args:
        path: the file; missing folders are made.
        data: all of it.
        mode: of the file. None: an existing file keeps its mode, as a stack file shared in git must, and a new one has
            what the umask allows (0600 under 077).
        through_link: what a symbolic link at `path` means. True: the file that it points to is written and the link
            stays, for files that a person placed (stack file, `--out`). False: the link is refused, for files that
            tiercast made itself and that nobody has a reason to point elsewhere.

    Raises:
        InputError: the folder is missing or not writable, the disk is full, or `path` is a link that is refused.
        Unavailable: the disk or mount does not answer.
    """
    if through_link:
        path = Path(os.path.realpath(path))
    refuse_link(path)
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return False
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        make_folder(path.parent)
        # The kernel takes the umask off the mode; a link planted at this name is not followed.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is None and path.exists():
            mode = path.stat().st_mode & 0o777
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        problem = f"cannot be written: {error.strerror}; the old file is intact."
        raise unusable(path, error, problem, "Free the disk or fix the permissions.") from None
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)
    return True


def refuse_link(path: Path) -> None:
    """Raise an InputError where a file that tiercast makes itself is a symbolic link: a branch may have planted it."""
    if path.is_symlink():
        raise InputError(
            str(path),
            "it is a symbolic link, and tiercast writes this file only as a regular one.",
            "Remove the link. To keep the files elsewhere, link their folder.",
        )


def write_json(path: Path, value: Any, *, through_link: bool = False) -> bool:
    """Write a value as indented JSON, all or nothing; keys keep their order, which may mean something (priorities)."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", through_link=through_link)


def make_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, each of them durable in the one that holds it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that a new name in it survives a power failure.

    Raises:
        InputError, Unavailable: the disk failed. A file system that cannot flush folders is no error.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # a folder that may be written but not read
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            problem = f"its new entries cannot be flushed to disk: {error.strerror}."
            raise unusable(path, error, problem, "Check the disk.") from None
    finally:
        os.close(handle)
