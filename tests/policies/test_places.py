"""Files of the pack in a folder and in a bucket of a real S3 API, with digest and version; what can't be read refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from samples import raw

from policies import cost, latency, provenance
from policies.judge import judge
from policies.places import reader
from policies.rule import Misconfigured, Rule
from reconciler.prices.catalogue import builtin
from stacks.contract import plan_id

ROOT = Path(__file__).parents[2]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a moto server with the versioned bucket `plans`."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the bucket's owner; the pack finds endpoint and credentials in the environment, as on a runner."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": server,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="plans")
    client.put_bucket_versioning(Bucket="plans", VersioningConfiguration={"Status": "Enabled"})
    return client


def put(s3: Any, key: str, text: str) -> str:
    """Store an object; its version."""
    return str(s3.put_object(Bucket="plans", Key=key, Body=text.encode())["VersionId"])


def stored_plan(**sections: Any) -> tuple[str, dict[str, Any]]:
    """A plan file of the planning job, and the configuration with the plan's id and these sections."""
    values = {**raw(), **sections}
    body = {"fleet": "shop", "stack": "test", "config": {f"tiercast:{key}": value for key, value in raw().items()}}
    name = plan_id(body)
    return json.dumps({**body, "id": name}), {**values, "plan": {**values["plan"], "id": name}}


@pytest.fixture
def said(tmp_path: Path, facts: Any) -> Any:
    """Messages of a rule whose files are read by the pack's own reader."""

    def run(rule: Rule[Any], values: dict[str, Any], **settings: Any) -> list[str]:
        known = replace(facts(values), read=reader(tmp_path))
        return [violation.message for violation in judge(rule, known, settings)]

    return run


def test_the_plan_that_the_configuration_names_is_found_in_the_bucket_by_its_id(s3: Any, said: Any) -> None:
    text, values = stored_plan()
    put(s3, f"test/{values['plan']['id']}/plan.json", text)
    rule, address = provenance.RULE, "s3://plans/{stack}/{plan}/plan.json"
    assert said(rule, values, planFile=address, samePrices=False) == []
    edited = {**values, "warm": {**values["warm"], "groups": []}}
    (refusal,) = said(rule, edited, planFile=address, samePrices=False)
    assert refusal.startswith("tiercast:warm is not what plan")


@pytest.mark.parametrize(
    ("phase", "more", "image", "refused"),
    [
        (True, 3, None, False),
        (False, 3, None, True),  # only the private copy of an update is a phase
        (True, -1, None, True),
        (True, 0, "ami-other", True),
    ],
)
def test_a_phase_may_hold_more_than_the_plan_and_nothing_else(
    said: Any, tmp_path: Path, phase: bool, more: int, image: str | None, refused: bool
) -> None:
    text, values = stored_plan()
    (tmp_path / "plan.json").write_text(text)
    warm = json.loads(json.dumps(values["warm"]))
    warm["groups"][0]["size"]["max"] += more
    warm["launch"]["imageId"] = image or warm["launch"]["imageId"]
    held = {**values, "warm": warm, "plan": {**values["plan"], "phase": phase}}
    found = said(provenance.RULE, held, planFile="plan.json", samePrices=False)
    assert any("tiercast:warm is not what plan" in one for one in found) == refused


def test_demand_and_prices_are_read_from_the_bucket(s3: Any, said: Any) -> None:
    put(s3, "demand.json", json.dumps(raw()["demand"]))
    table = (ROOT / "reconciler" / "prices" / "catalogue.yaml").read_text(encoding="utf-8")
    put(s3, "prices.yaml", table)
    assert said(latency.RULE, raw(), forecastFile="s3://plans/demand.json") == []
    prices = {"catalogueFile": "s3://plans/prices.yaml", "catalogueDigest": builtin().digest()}
    assert said(cost.RULE, raw(), **prices) == []
    put(s3, "prices.yaml", table.replace("on_demand: 0.096", "on_demand: 0.001"))
    assert "The prices were changed" in said(cost.RULE, raw(), **prices)[0]


def test_a_version_of_an_object_stays_what_it_was(s3: Any, tmp_path: Path) -> None:
    first = put(s3, "spend.json", "first")
    put(s3, "spend.json", "second")
    read = reader(tmp_path)
    assert read(f"s3://plans/spend.json?versionId={first}") == b"first"
    assert read("s3://plans/spend.json") == b"second"


def test_a_file_is_read_once_in_a_run(s3: Any, tmp_path: Path) -> None:
    put(s3, "once.json", "first")
    read = reader(tmp_path)
    read("s3://plans/once.json")
    put(s3, "once.json", "second")
    assert read("s3://plans/once.json") == b"first"
    assert reader(tmp_path)("s3://plans/once.json") == b"second"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://plans/gone.json", r"NoSuchKey"),
        ("s3://nobody/plan.json", r"NoSuchBucket"),
        ("s3://plans/plan.json?versionId=gone", r"Invalid version|NoSuchVersion|InvalidArgument"),
        ("s3://plans", r"expected s3://BUCKET/KEY"),
        ("s3://plans/plan.json?version=1", r"expected s3://BUCKET/KEY"),
    ],
)
def test_what_the_bucket_does_not_hold_can_not_be_read(s3: Any, tmp_path: Path, address: str, words: str) -> None:
    put(s3, "plan.json", "{}")
    with pytest.raises(OSError, match=words):
        reader(tmp_path)(address)


def test_a_bucket_that_does_not_answer_refuses_in_one_sentence(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://ops:CANARY@127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY")
    (refusal,) = said(latency.RULE, raw(), forecastFile="s3://plans/demand.json")
    assert refusal.startswith("The policy pack can't read its file 's3://plans/demand.json': Could not connect")
    assert "CANARY" not in refusal


@pytest.mark.parametrize("place", ["s3://plans/planned/demand.json", "planned/demand.json"])
def test_an_artefact_of_the_planning_job_is_read_with_its_digest(
    s3: Any, said: Any, tmp_path: Path, place: str
) -> None:
    text = json.dumps(raw()["demand"])
    put(s3, "planned/demand.json", text)
    (tmp_path / "planned").mkdir()
    (tmp_path / "planned" / "demand.json").write_text(text, encoding="utf-8")
    assert said(latency.RULE, raw(), forecastFile=f"{place}#sha256={sha256(text)}") == []
    (refusal,) = said(latency.RULE, raw(), forecastFile=f"{place}#sha256={sha256('another')}")
    assert f"The file '{place}' has the digest {sha256(text)[:12]}…" in refusal


def test_a_digest_that_is_none_and_a_plan_that_is_none_are_refused(said: Any, tmp_path: Path, facts: Any) -> None:
    (refusal,) = said(latency.RULE, raw(), forecastFile="demand.json#sha256=abc")
    assert "has no valid digest" in refusal
    up_and_away = raw(plan={**raw()["plan"], "id": "../../other"})
    with pytest.raises(Misconfigured, match=r"'\.\./\.\./other', which is not the id of a plan"):
        replace(facts(up_and_away), read=reader(tmp_path)).file("{plan}/plan.json")


def test_every_shipped_configuration_names_prices_demand_and_the_plan() -> None:
    shipped = sorted((ROOT / "policies").glob("config*.json"))
    assert [path.name for path in shipped] == ["config.lab.json"]
    for path in shipped:
        pins = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        assert pins["catalogueDigest"] == builtin().digest()
        assert pins["forecastFile"]
        assert pins["planFile"]
        assert pins.get("requirePin", True)
