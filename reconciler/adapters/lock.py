"""One lock per stack, held by a command from its plan to its apply: of two runs one works, the other says who holds it.

The lock lies where the stack's state lies, so that every runner that shares the state shares the lock:

    file backend   `.tiercast/<project>-<stack>.lock` in the backend's folder; the kernel frees it when its owner ends
    S3 backend     an object of that name, created only where there is none; an owner that died on this host is recovered
    others         a file in the stack's folder of this checkout; Pulumi's own lock guards the update itself

It holds who took it and when. It is no lease: a lock of a living owner is never broken.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reconciler.adapters.files import make_folder
from reconciler.errors import InputError, StackLocked, Unavailable
from stacks.yaml_text import load_json

#: How long to wait for a lock that is held only while a file is written, and the pause between two attempts.
BRIEF, _PAUSE = timedelta(seconds=10), timedelta(milliseconds=20)


@dataclass(frozen=True, kw_only=True)
class LockOwner:
    """Who holds a lock. `began` is the process's start in clock ticks since boot, which tells a reused pid apart."""

    host: str
    pid: int
    began: str
    command: str
    started: str
    token: str

    def describe(self) -> str:
        """For people: `tiercast plan` (pid 12 on host a, since …)."""
        return f"`tiercast {self.command}` (pid {self.pid} on {self.host}, since {self.started})"

    def is_dead(self) -> bool:
        """Whether the owner ran on this host and is no longer there; False where that can't be known."""
        return self.host == socket.gethostname() and _began(self.pid) != self.began


@contextlib.contextmanager
def stack_lock(backend: str, local: Path, *, project: str, stack: str, command: str, now: datetime) -> Iterator[str]:
    """Hold the stack's lock; yields a sentence where one was left by an owner that died, else "".

    Args:
        backend: URL of the stack's backend.
        local: folder of the stack in this checkout, for backends that keep no lock of ours.
        project, stack: what is locked.
        command: what holds it, for the message of the other run.
        now: the wall clock.

    Raises:
        StackLocked: another run holds it; the message names the owner.
        Unavailable: the bucket does not answer.
        InputError: the lock cannot be written.
    """
    owner = LockOwner(
        host=socket.gethostname(),
        pid=os.getpid(),
        began=_began(os.getpid()),
        command=command,
        started=now.isoformat(),
        token=secrets.token_hex(8),
    )
    name = f"{project}-{stack.replace('/', '-')}.lock"
    url = urlsplit(backend)
    if url.scheme == "s3":
        with _in_bucket(backend, f".tiercast/{name}", owner) as said:
            yield said
    else:
        folder = Path(url.netloc + url.path).expanduser() / ".tiercast" if url.scheme == "file" else local
        with _in_file(folder / name, owner) as said:
            yield said


@contextlib.contextmanager
def _in_file(path: Path, owner: LockOwner) -> Iterator[str]:
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(
            str(path), f"the stack's lock cannot be written: {error.strerror}.", "Fix the folder."
        ) from None
    with os.fdopen(handle, "r+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _held(_parsed(stream.read()), "it ends by itself with its owner") from None
        before = _parsed(stream.read())
        _rewrite(stream, json.dumps(asdict(owner)))
        try:
            yield _recovered(before)
        finally:
            _rewrite(stream, "")


@contextlib.contextmanager
def brief_lock(path: Path) -> Iterator[None]:
    """Hold a file's lock while a file beside it is read and written; waits for the one who holds it, at most `BRIEF`.

    Raises:
        Unavailable: it was not released in time. InputError: it can't be written.
    """
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(str(path), f"the lock cannot be written: {error.strerror}.", "Fix the folder.") from None
    with os.fdopen(handle, "r+") as stream:
        for _ in range(math.ceil(BRIEF / _PAUSE)):
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_PAUSE.total_seconds())
        else:
            raise Unavailable(
                f"Another command has held {path} for {BRIEF.total_seconds():g} s.",
                remedy="End that command, then run this one again.",
            )
        yield


def _rewrite(stream: Any, text: str) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(text)
    stream.flush()


@contextlib.contextmanager
def _in_bucket(backend: str, key: str, owner: LockOwner) -> Iterator[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    url = urlsplit(backend)
    key = "/".join(part for part in (url.path.strip("/"), key) if part)
    store = _Bucket(s3_client(url.query), url.netloc, key)
    try:
        before = store.take(owner)
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"The stack's lock s3://{url.netloc}/{key} cannot be taken: {error}.") from None
    try:
        yield _recovered(before)
    finally:
        with contextlib.suppress(BotoCoreError, ClientError):
            store.release(owner)


def s3_client(query: str) -> Any:
    """An S3 client for the settings in a backend's URL, as Pulumi reads them.

    `region`, `profile`, `endpoint`; `use_path_style` and `disable_https`, formerly `s3ForcePathStyle` and `disableSSL`.
    """
    import boto3
    from botocore.config import Config

    given = {name: values[-1] for name, values in parse_qs(query).items()}
    on = {name for name, value in given.items() if value.lower() in ("true", "t", "1")}
    endpoint = given.get("endpoint")
    if endpoint and "://" not in endpoint:
        endpoint = ("http://" if on & {"disable_https", "disableSSL"} else "https://") + endpoint
    style: Any = {"addressing_style": "path" if on & {"use_path_style", "s3ForcePathStyle"} else "auto"}
    session = boto3.Session(profile_name=given.get("profile"))
    return session.client("s3", region_name=given.get("region"), endpoint_url=endpoint, config=Config(s3=style))


class _Bucket:
    """The lock as one object; every change is conditional, so that two runs never both believe to hold it."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key

    def take(self, owner: LockOwner) -> LockOwner | None:
        """Take the lock; returns the dead owner it was taken from. Raises StackLocked where somebody else holds it."""
        if self._put(owner, IfNoneMatch="*"):
            return None
        holder, tag = self._get()
        if holder is None and not tag:
            if self._put(owner, IfNoneMatch="*"):
                return None
            raise _held(None, self._remedy())
        if holder is not None and holder.is_dead() and self._put(owner, IfMatch=tag):
            return holder
        raise _held(holder, self._remedy())

    def release(self, owner: LockOwner) -> None:
        """Delete the lock where it is still this owner's."""
        holder, _ = self._get()
        if holder is not None and holder.token == owner.token:
            self._client.delete_object(Bucket=self._bucket, Key=self._key)

    def _put(self, owner: LockOwner, **condition: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key, Body=json.dumps(asdict(owner)).encode(), **condition
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (409, 412):
                return False
            raise
        return True

    def _get(self) -> tuple[LockOwner | None, str]:
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None, ""
            raise
        return _parsed(found["Body"].read().decode(errors="replace")), found["ETag"]

    def _remedy(self) -> str:
        return f"where that run is dead, delete the lock: `aws s3 rm s3://{self._bucket}/{self._key}`"


def _held(owner: LockOwner | None, remedy: str) -> StackLocked:
    who = owner.describe() if owner is not None else "a run that left no name"
    return StackLocked(f"This stack is locked by {who}.", remedy=f"Wait until it has ended; {remedy}.")


def _recovered(before: LockOwner | None) -> str:
    return f"the lock of {before.describe()} was recovered: that run died" if before is not None else ""


def _parsed(text: str) -> LockOwner | None:
    try:
        raw = load_json(text)
        return LockOwner(**{**raw, "pid": int(raw["pid"])})
    except (ValueError, TypeError, KeyError):
        return None


def _began(pid: int) -> str:
    """When a process of this host started, in ticks since boot; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
