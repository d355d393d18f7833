"""Locks that dead updates left in Pulumi's self-managed backends (file, S3). Pulumi's own `cancel` deletes every lock of a
stack, also that of an update that runs; here only the lock of an owner that is known to be dead is deleted.

An update writes `.pulumi/locks/organization/<project>/<stack>/<id>.json` with pid, user, host and time. Whether the owner lives
can be known only on its own host: a lock of another host is never deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.adapters.lock import s3_client
from reconciler.errors import StackLocked, Unavailable

#: The start of a process and the time in a lock are read from different clocks.
_SLACK = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class BackendLock:
    """A lock of Pulumi's. `where`: its file or object; `delete` removes it alone."""

    where: str
    host: str
    pid: int
    user: str
    since: str
    delete: Callable[[], object]

    def describe(self) -> str:
        """For people: pid 12 of user a on host b, since …"""
        return f"pid {self.pid} of {self.user or 'an unknown user'} on {self.host or 'an unknown host'}, since {self.since}"

    def is_dead(self) -> bool:
        """Whether the owner ran on this host and ended; False if that can't be known."""
        if self.host != socket.gethostname() or self.pid <= 0:
            return False
        began = _started(self.pid)
        if began is None:
            return True
        with contextlib.suppress(ValueError):
            # The pid was given to another process after the lock was taken.
            return began > datetime.fromisoformat(self.since) + _SLACK
        return False


def release_stale(backend: str, *, project: str, stack: str) -> list[str]:
    """Delete the locks whose owner is dead; returns one sentence for each.

    Args:
        backend: URL of the stack's backend. Backends other than file and S3 keep no lock that outlives its owner.
        project, stack: the stack; `stack` may be fully qualified.

    Raises:
        StackLocked: an update that lives, or that may live on another host, holds the lock.
        Unavailable: the backend does not answer.
    """
    said = []
    for lock in _locks(backend, project, stack.rpartition("/")[2]):
        if not lock.is_dead():
            raise StackLocked(
                f"Another update holds the lock of stack {stack}: {lock.describe()}.",
                remedy=f"Wait until it has ended. If that host or process is gone for good, delete {lock.where}.",
            )
        lock.delete()
        said.append(f"the lock of a dead update ({lock.describe()}) was released")
    return said


def _locks(backend: str, project: str, stack: str) -> list[BackendLock]:
    folders = [f".pulumi/locks/organization/{project}/{stack}", f".pulumi/locks/{stack}"]
    url = urlsplit(backend)
    if url.scheme == "file":
        root = Path(url.netloc + url.path).expanduser()
        return [
            lock for folder in folders for path in sorted((root / folder).glob("*.json")) for lock in _of_file(path)
        ]
    return _in_bucket(backend, folders) if url.scheme == "s3" else []


def _of_file(path: Path) -> list[BackendLock]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []  # its owner released it meanwhile
    except OSError as error:
        raise Unavailable(f"The lock {path} of Pulumi's backend can't be read: {error.strerror}.") from None
    return [_parsed(text, str(path), partial(_unlink, path))]


def _unlink(path: Path) -> None:
    """Delete a lock and the file of its attributes, which Pulumi keeps beside it."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)


def _in_bucket(backend: str, folders: list[str]) -> list[BackendLock]:
    from botocore.exceptions import BotoCoreError, ClientError

    url = urlsplit(backend)
    client, found = s3_client(url.query), []
    try:
        for folder in folders:
            prefix = "/".join(part for part in (url.path.strip("/"), folder) if part) + "/"
            listed = client.list_objects_v2(Bucket=url.netloc, Prefix=prefix, Delimiter="/")
            for entry in listed.get("Contents", ()):
                key = entry["Key"]
                text = client.get_object(Bucket=url.netloc, Key=key)["Body"].read().decode(errors="replace")
                where = f"s3://{url.netloc}/{key}"
                found.append(_parsed(text, where, partial(client.delete_object, Bucket=url.netloc, Key=key)))
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"The locks of Pulumi's backend s3://{url.netloc} can't be read: {error}.") from None
    return found


def _parsed(text: str, where: str, delete: Callable[[], object]) -> BackendLock:
    """A lock; one that can't be read has no owner, so that it is never taken for a dead one's."""
    raw: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        read = json.loads(text)
        raw = read if isinstance(read, dict) else {}
    pid = raw.get("pid")
    return BackendLock(
        where=where,
        host=str(raw.get("hostname") or ""),
        pid=pid if isinstance(pid, int) else 0,
        user=str(raw.get("username") or ""),
        since=str(raw.get("timestamp") or ""),
        delete=delete,
    )


def _started(pid: int) -> datetime | None:
    """When a process of this host started; None if there is none."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except (OSError, IndexError, ValueError):
        return None
    return datetime.fromtimestamp(time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK"), tz=UTC)
