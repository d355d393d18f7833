"""Canaries planted where secrets are kept are in no file, argument, output or error of a command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.reconciler.cli.command_cases import enter_project, run

#: Stands in for the engine's CLI: fails with a text that holds what an engine or a plugin may hold, over its environment.
CLI = """#!/bin/sh
[ "$1" = version ] && echo v3.259.0 && exit 0
tr '\\0' ' ' < /proc/$$/cmdline >> {log}
echo "error: cannot connect to qemu+tcp://ops:CANARY-uri@hv-1/system as $AWS_SESSION_TOKEN, password=CANARY-plain" >&2
file=$(cat "$PULUMI_CONFIG_PASSPHRASE_FILE")
echo "error: $PULUMI_CONFIG_PASSPHRASE and $file do not decrypt; \033[31mkey AKIACANARYCANARY1234" >&2
exit 255
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with history, whose environment and engine hold canaries; they lie beside it in `outside`."""
    folder, outside = tmp_path / "project", tmp_path / "outside"
    folder.mkdir()
    (outside / "bin").mkdir(parents=True)
    enter_project(folder, monkeypatch, horizon="4h")
    rows = [
        f"{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=h):%Y-%m-%dT%H:%MZ},u,shop,{100 + h % 24}"
        for h in range(240)
    ]
    (folder / "demand.csv").write_text("\n".join(["timestamp,user_id,application_id,requests", *rows]) + "\n")
    (outside / "passphrase").write_text("CANARY-passphrase-file\n")
    for name in ("pulumi", "virsh"):
        (outside / "bin" / name).write_text(CLI.format(log=outside / "arguments"))
        (outside / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{outside / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(outside / "passphrase"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "CANARY passphrase")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "CANARY/session+token==")
    return folder


def leaks(project: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Where a canary is: files of the project (but the fleet file, where a test planted it), arguments, and what was printed."""
    said = capsys.readouterr()
    places = {"stdout": said.out, "stderr": said.err}
    arguments = project.parent / "outside" / "arguments"
    files = [path for path in project.rglob("*") if path.is_file() and path.name != "fleet.yaml"]
    for path in (*files, *([arguments] if arguments.exists() else [])):
        places[str(path)] = path.read_text(errors="replace")
    return [place for place, text in places.items() if "CANARY" in text or "\x1b" in text]


HOST = "{{name: hv-1, uri: 'qemu+tcp://{user}hv-1/system', cores: 4, memory_mib: 999}}"
PLANTED = {
    "a hypervisor's password": f"  hot: {{hypervisors: [{HOST.format(user='ops:CANARY@')}]}}",
    "user data": '  warm: {launch: {image_id: ami, zones: [a], user_data: "#cloud-config\\npassword: CANARY-12345"}}',
}


@pytest.mark.parametrize("what", [*PLANTED, "a tag", "provider configuration"])
def test_a_secret_in_the_fleet_file_stops_the_plan_before_it_is_anywhere_else(
    project: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    path = project / "fleet.yaml"
    text = path.read_text().replace("tiers: {cold: ", "tiers:\n  cold: ").rstrip().removesuffix("}") + "\n"
    text += PLANTED.get(what, "") + "\n"
    text += {
        "a tag": "tags: {api_token: CANARY-12345}\n",
        "provider configuration": "config: {aws:secretKey: CANARY-12345}\n",
    }.get(what, "")
    path.write_text(text)
    for words in (("plan",), ("reconcile", "--mode", "shadow"), ("explain",), ("train",), ("forecast",)):
        assert run(*words) == 1
        assert leaks(project, capsys) == []
    assert run("plan") == 1
    assert "in plain text" in capsys.readouterr().err


def test_the_engines_errors_are_told_without_secrets(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan") == 1
    said = capsys.readouterr()
    assert "cannot connect to qemu+tcp://ops:[secret]@hv-1/system as [secret], password=[secret]" in said.err
    assert "CANARY" not in said.out + said.err
    assert leaks(project, capsys) == []


def test_a_hypervisor_that_fails_is_told_without_secrets(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (project / "fleet.yaml").read_text()
    boot = "flavours: [{name: small, vcpu: 1, memory_mib: 128}], boot: {kernel: /k, initrd: /i}"
    hot = f"hot: {{hypervisors: [{HOST.format(user='')}], {boot}}}, "
    (project / "fleet.yaml").write_text(text.replace("tiers: {", "tiers: {" + hot))
    assert run("plan") == 1
    said = capsys.readouterr().err
    assert "do not decrypt" in said
    assert "CANARY" not in said
    assert "\x1b" not in said
    assert leaks(project, capsys) == []


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
def test_the_password_of_an_endpoint_and_the_keys_of_an_account_are_not_told(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, json: tuple[str, ...]
) -> None:
    address = "endpoint=ops:CANARY-endpoint@127.0.0.1:9&disableSSL=true&s3ForcePathStyle=true"
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://state/team?region=us-east-1&{address}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CANARY-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-secret-key")
    assert run("plan", *json) == 1
    said = capsys.readouterr()
    assert "ops:[secret]@127.0.0.1" in said.err
    assert "CANARY" not in said.out + said.err
    assert leaks(project, capsys) == []


def test_a_token_in_a_health_check_stops_the_plan(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "fleet.yaml"
    path.write_text(
        path.read_text().replace("tiers: {cold: {", "tiers: {cold: {health: {path: '/up?token=CANARY-12345'}, ")
    )
    assert run("plan") == 1
    said = capsys.readouterr()
    assert "tiers.cold.health.path" in said.err
    assert "CANARY" not in said.out + said.err
    assert leaks(project, capsys) == []
