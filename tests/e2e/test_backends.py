"""The whole pipeline on state in S3: the lab's own server holds the bucket, and the real engine reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from site_cases import LAUNCH, Site, make_site

from lab import up

pytestmark = [pytest.mark.engine, pytest.mark.lab]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A project whose state lies in the bucket `state`, below `team`."""
    made = make_site(tmp_path_factory.mktemp("backend"))
    try:
        made.client("s3").create_bucket(Bucket="state")
        host = made.lab.cloud_endpoint.removeprefix("http://")
        url = f"s3://state/team?region=us-east-1&endpoint={host}&disableSSL=true&s3ForcePathStyle=true"
        made.write_fleet(tiers={"cold": {"instance_types": ["m5.large"], "launch": LAUNCH}})
        yield replace(made, variables={"PULUMI_BACKEND_URL": url})
    finally:
        up.down(made.lab.directory)


def keys(site: Site) -> set[str]:
    """Keys of the bucket."""
    return {one["Key"] for one in site.client("s3").list_objects_v2(Bucket="state").get("Contents", [])}


@contextmanager
def held(site: Site, key: str, owner: dict[str, Any]) -> Iterator[None]:
    """An object in the bucket that says who holds a lock."""
    site.client("s3").put_object(Bucket="state", Key=key, Body=json.dumps(owner).encode())
    try:
        yield
    finally:
        site.client("s3").delete_object(Bucket="state", Key=key)


def test_plan_preview_up_and_status_work_on_state_in_s3_and_mind_both_locks(site: Site) -> None:
    site.done("plan")
    assert "changes" in site.done("preview", codes=(2,))
    plan = site.root / ".tiercast" / "lab" / "plan.json"
    assert json.loads(plan.read_text())["binding"]["place"]["backend"] == "s3://state/team"

    ours = {"host": "elsewhere", "pid": 1, "began": "1", "command": "plan", "started": "2026-11-24", "token": "t"}
    with held(site, "team/.tiercast/tiercast-lab.lock", ours):
        found = site.tiercast("up", "--approved", str(plan))
    assert found.returncode == 1
    assert "`tiercast plan` (pid 1 on elsewhere" in found.stderr

    pulumis = {"pid": 1, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-11-24T00:00:00Z"}
    with held(site, "team/.pulumi/locks/organization/tiercast/lab/0f4e.json", pulumis):
        found = site.tiercast("up", "--approved", str(plan))
    assert found.returncode == 1
    assert "lock" in found.stderr
    assert "Traceback" not in found.stderr
    assert site.groups() == []

    assert "was applied" in site.done("up", "--approved", str(plan))
    assert "team/.pulumi/stacks/tiercast/lab.json" in keys(site)
    assert not [key for key in keys(site) if "lock" in key], "both locks are released"
    assert [group["AutoScalingGroupName"].startswith("cold-burst") for group in site.groups()] == [True]
    site.done("status")


def test_a_pin_does_not_outrank_a_mandatory_policy(site: Site) -> None:
    site.done("pin", "cold", "0", "--until", "1h", "--reason", "test of the policies")
    assert "pinned at 0 until" in site.done("plan")
    assert "refused by latency-slo" in site.done("preview", codes=(3,))
    site.done("unpin", "cold")
    site.done("plan")


def test_a_wrong_passphrase_ends_in_a_sentence(site: Site) -> None:
    wrong = site.root / "wrong-passphrase"
    wrong.write_text("not the one")
    found = replace(site, variables={**site.variables, "PULUMI_CONFIG_PASSPHRASE_FILE": str(wrong)}).tiercast("preview")
    assert found.returncode == 1
    assert "passphrase" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_bucket_that_is_not_there_ends_in_a_sentence(site: Site) -> None:
    url = site.variables["PULUMI_BACKEND_URL"].replace("s3://state", "s3://gone")
    found = replace(site, variables={"PULUMI_BACKEND_URL": url}).tiercast("plan")
    assert found.returncode == 1
    assert "gone" in found.stderr
    assert "Traceback" not in found.stderr
