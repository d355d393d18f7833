"""One run at a time works on a stack, on whatever backend; a lock whose owner died holds nobody up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reconciler.adapters.lock import stack_lock
from reconciler.errors import Unavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)

HOLDER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from reconciler.adapters.lock import stack_lock
with stack_lock(sys.argv[1], Path(sys.argv[2]), project="p", stack="prod", command="plan", now=datetime.now(UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 backend's URL on a moto server of this test."""
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
    yield f"s3://state/team?region=us-east-1&endpoint={host}:{port}&disableSSL=true&s3ForcePathStyle=true"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")


@pytest.fixture(params=["file", "s3", "local"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    return f"file://{tmp_path}/state" if request.param == "file" else "https://state.example"


def take(backend: str, folder: Path, command: str = "up", stack: str = "prod") -> str:
    with stack_lock(backend, folder, project="p", stack=stack, command=command, now=NOW) as said:
        return said


def held_elsewhere(backend: str, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, backend, str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_the_second_run_is_told_who_holds_the_stack(backend: str, tmp_path: Path) -> None:
    process = held_elsewhere(backend, tmp_path)
    try:
        with pytest.raises(Unavailable, match=rf"locked by `tiercast plan` \(pid {process.pid} on "):
            take(backend, tmp_path)
        assert take(backend, tmp_path, stack="dev") == ""
    finally:
        kill(process)


def test_a_lock_of_a_run_that_was_killed_is_recovered_and_reported(backend: str, tmp_path: Path) -> None:
    process = held_elsewhere(backend, tmp_path)
    kill(process)
    said = take(backend, tmp_path)
    assert said.startswith(f"the lock of `tiercast plan` (pid {process.pid} on ")
    assert take(backend, tmp_path) == ""


def test_a_lock_is_free_again_after_an_error(backend: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        stack_lock(backend, tmp_path, project="p", stack="prod", command="up", now=NOW),
    ):
        raise ZeroDivisionError
    assert take(backend, tmp_path) == ""


def test_of_many_runs_at_once_exactly_one_holds_the_lock(backend: str, tmp_path: Path) -> None:
    inside, most, refused = [0], [0], []
    gate = threading.Barrier(6)

    def run() -> None:
        gate.wait()
        for _ in range(5):
            try:
                with stack_lock(backend, tmp_path, project="p", stack="prod", command="up", now=NOW):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except Unavailable as error:
                refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert take(backend, tmp_path) == ""


def test_a_lock_of_another_host_is_kept_and_the_message_says_how_to_end_it(bucket: str, tmp_path: Path) -> None:
    from reconciler.adapters import lock

    client = lock.s3_client(bucket.partition("?")[2])
    owner = {"host": "runner-7", "pid": 1, "began": "1", "command": "up", "started": "2026-03-01", "token": "t"}
    client.put_object(Bucket="state", Key="team/.tiercast/p-prod.lock", Body=json.dumps(owner).encode())
    with pytest.raises(Unavailable, match=r"on runner-7, since .*`aws s3 rm s3://state/team/\.tiercast/p-prod\.lock`"):
        take(bucket, tmp_path)
    client.delete_object(Bucket="state", Key="team/.tiercast/p-prod.lock")


def test_both_spellings_of_pulumis_settings_name_the_same_lock(bucket: str, tmp_path: Path) -> None:
    newer = bucket.replace("disableSSL=true", "disable_https=1").replace("s3ForcePathStyle", "use_path_style")
    assert newer != bucket
    with (
        stack_lock(bucket, tmp_path, project="p", stack="prod", command="up", now=NOW),
        pytest.raises(Unavailable, match="locked by `tiercast up`"),
    ):
        take(newer, tmp_path)
