"""What `pulumi up` does with the engine's configuration before it declares anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pulumi
import pytest
from samples import config, raw

from stacks import __main__ as program

BEFORE = datetime(2026, 11, 24, 1, tzinfo=UTC)
AFTER = datetime(2026, 11, 24, 3, tzinfo=UTC)


def _engine_values(**sections: object) -> dict[str, str]:
    values = {f"tiercast:{key}": json.dumps(value) for key, value in raw(**sections).items()}
    return {**values, "aws:region": "us-east-1"}


def test_values_arrive_as_json_text_under_our_namespace():
    assert program.configuration(_engine_values()) == config()


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(pulumi.RunError, match="tiercast:wram: Extra inputs are not permitted"):
        program.configuration({**_engine_values(), "tiercast:wram": "{}1"})


def test_a_stack_without_configuration_says_how_to_get_one():
    with pytest.raises(pulumi.RunError, match="run `tiercast plan`"):
        program.configuration({"aws:region": "us-east-1"})


def test_nothing_is_declared_past_valid_until(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(_engine_values()))
    monkeypatch.setattr(program, "declare", lambda *_, **__: pytest.fail("declared a stale plan"))

    with pytest.raises(pulumi.RunError, match="must not resize a fleet"):
        program.main(AFTER)


def test_an_override_lets_it_through_with_a_warning(monkeypatch: pytest.MonkeyPatch):
    override = {"reason": "the forecast source is down", "until": "2026-11-24T04:00:00Z"}
    warnings: list[str] = []
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(_engine_values(override=override)))
    monkeypatch.setattr(program, "declare", lambda *_, **__: {})
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)

    program.main(BEFORE)
    assert warnings == []
    program.main(AFTER)
    assert "the forecast source is down" in warnings[0]


def test_secret_keys_of_the_engine_reach_the_program(monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, object] = {}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(_engine_values()))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["tiercast:hot"]))
    monkeypatch.setattr(program, "declare", lambda *_, **options: seen.update(options) or {})

    program.main(BEFORE)

    assert seen["secret_keys"] == {"hot"}


def test_a_fault_under_a_secret_key_is_named_without_what_was_found():
    values = {**_engine_values(), "tiercast:hot": json.dumps({**raw()["hot"], "password": "CANARY"})}
    with pytest.raises(pulumi.RunError, match=r"tiercast:hot\.password: Extra inputs are not permitted$") as caught:
        program.configuration(values, secret_keys={"hot"})
    assert "CANARY" not in str(caught.value)
    with pytest.raises(pulumi.RunError, match="found 'CANARY'"):
        program.configuration(values)
