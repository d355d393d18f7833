"""Locks of Pulumi's backends: a dead owner's is deleted, and only that; a living owner's is respected and named."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reconciler.adapters.settle.backend_lock import release_stale
from reconciler.errors import Unavailable

HERE = socket.gethostname()
KEY = ".pulumi/locks/organization/shop/prod/{}.json"


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, Any]]:
    """An S3 backend's URL on a moto server, and a client for it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
    )
    client.create_bucket(Bucket="state")
    yield f"s3://state/team?region=us-east-1&endpoint={host}:{port}&disableSSL=true&s3ForcePathStyle=true", client
    server.stop()


@pytest.fixture(params=["file", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Callable[..., None], Callable[[], list[str]]]:
    """A backend's URL, a function that puts a lock, and one that lists them."""
    if request.param == "file":

        def put(name: str, text: str) -> None:
            path = tmp_path / KEY.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        return f"file://{tmp_path}", put, lambda: sorted(p.stem for p in tmp_path.rglob("*.json"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")
    url, client = request.getfixturevalue("bucket")
    for one in client.list_objects_v2(Bucket="state").get("Contents", ()):
        client.delete_object(Bucket="state", Key=one["Key"])

    def names() -> list[str]:
        return sorted(Path(o["Key"]).stem for o in client.list_objects_v2(Bucket="state").get("Contents", ()))

    return url, lambda name, text: client.put_object(Bucket="state", Key=f"team/{KEY.format(name)}", Body=text), names


def lock(pid: int, *, host: str = HERE, age: timedelta = timedelta(minutes=1)) -> str:
    since = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return json.dumps({"pid": pid, "username": "ann", "hostname": host, "timestamp": since})


def dead() -> int:
    """The pid of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def test_the_lock_of_a_dead_process_is_deleted_and_said(store: Any) -> None:
    url, put, names = store
    put("a", lock(dead()))
    (said,) = release_stale(url, project="shop", stack="prod")
    assert "was released" in said
    assert f"of ann on {HERE}" in said
    assert names() == []


def test_a_pid_that_was_given_to_a_younger_process_does_not_keep_a_dead_lock_alive(store: Any) -> None:
    url, put, names = store
    put("a", lock(os.getpid(), age=timedelta(days=400)))
    assert release_stale(url, project="shop", stack="prod")
    assert names() == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (lock(os.getpid(), age=timedelta(0)), f"pid {os.getpid()} of ann on {HERE}"),
        (lock(1, host="another-runner"), "pid 1 of ann on another-runner"),
        ("not json", "an unknown host"),
        ("[]", "an unknown host"),
    ],
    ids=["alive", "elsewhere", "no JSON", "a list"],
)
def test_a_lock_whose_owner_may_live_is_respected_and_its_owner_is_named(store: Any, text: str, named: str) -> None:
    url, put, names = store
    put("a", text)
    with pytest.raises(Unavailable, match=named) as held:
        release_stale(url, project="shop", stack="prod")
    assert "delete" in held.value.remedy
    assert names() == ["a"]


def test_locks_of_other_stacks_are_not_touched(store: Any, tmp_path: Path) -> None:
    url, put, names = store
    put("../../prod-2/x", lock(dead())) if url.startswith("file") else put("b/x", lock(dead()))
    assert release_stale(url, project="shop", stack="prod") == []
    assert names() == ["x"]


def test_a_stack_without_locks_and_other_backends_have_nothing_to_release(tmp_path: Path) -> None:
    assert release_stale(f"file://{tmp_path}", project="shop", stack="acme/shop/prod") == []
    assert release_stale("https://api.pulumi.com", project="shop", stack="prod") == []


def test_a_folder_keeps_nothing_of_a_released_lock(tmp_path: Path) -> None:
    path = tmp_path / KEY.format("one")
    path.parent.mkdir(parents=True)
    path.write_text(lock(dead()))
    path.with_name(f"{path.name}.attrs").write_text("{}")
    assert len(release_stale(f"file://{tmp_path}", project="shop", stack="prod")) == 1
    assert list(path.parent.iterdir()) == []
