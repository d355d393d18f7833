"""What a preview keeps of the engine's events: no secret and no escape sequence in any of its texts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.automation import CommandError, CommandResult
from pulumi.automation.events import DiagnosticEvent, EngineEvent, PolicyEvent

from reconciler.adapters.engine import Engine
from reconciler.errors import EngineError, Unavailable


def test_messages_and_refusals_are_kept_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "qemu+tcp://ops:CANARY@hv-1/system answers \x1b[31m; the token is CANARY-of-environment"
    events = [
        EngineEvent(1, 0, diagnostic_event=DiagnosticEvent(text, "never", "warning")),
        EngineEvent(2, 0, policy_event=PolicyEvent(text, "never", "p", "pack", "1", "1", "mandatory", "urn")),
    ]

    def preview(*, on_event: Any, **_: Any) -> None:
        for event in events:
            on_event(event)

    monkeypatch.setattr(Engine, "_select", lambda self: SimpleNamespace(preview=preview))
    found = Engine(root=tmp_path, stack="lab", project="p", environment={"MY_TOKEN": "CANARY-of-environment"}).preview()
    shown = "qemu+tcp://ops:[secret]@hv-1/system answers �[31m; the token is [secret]"
    assert found.messages == (shown,)
    assert [violation.message for violation in found.violations] == [shown]


@pytest.mark.parametrize(
    ("lost", "kind", "said"),
    [
        ("Hypervisors no longer answer: hv-a (refused).", Unavailable, "Hypervisors no longer answer: hv-a (refused)."),
        ("", EngineError, "The engine stopped: error: the plugin could not connect"),
    ],
)
def test_an_engine_that_stops_because_a_hypervisor_left_names_it_and_nothing_else(
    lost: str, kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preview(**_: Any) -> None:
        raise CommandError(CommandResult(stdout="", stderr="error: the plugin could not connect", code=255))

    monkeypatch.setattr(Engine, "_select", lambda self: SimpleNamespace(preview=preview))
    engine = Engine(root=tmp_path, stack="lab", project="p", environment={}, watch=lambda: lost)
    with pytest.raises(kind) as stopped:
        engine.preview()
    assert str(stopped.value).startswith(said)
    assert ("plugin" in str(stopped.value)) is (not lost)
