"""The stack's state as the engine keeps it, read and written whole. Secrets stay encrypted on the way.

`pulumi stack import` takes the engine's own lock, checks the state's integrity and drops pending operations.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.adapters.engine import Engine

#: The engine's mark for values that only an update will know.
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def export_state(engine: Engine) -> dict[str, Any]:
    """The exported state: `version` and `deployment`. Errors as `Engine.run`."""
    exported: dict[str, Any] = json.loads(engine.run("stack", "export"))
    exported["deployment"] = exported.get("deployment") or {}
    return exported


def import_state(engine: Engine, exported: Mapping[str, Any]) -> None:
    """Replace the state. Errors as `Engine.run`; the state is then what it was."""
    with tempfile.TemporaryDirectory(prefix="tiercast-state-") as folder:
        path = Path(folder, "state.json")
        path.write_text(json.dumps(exported), encoding="utf-8")
        engine.run("stack", "import", "--file", str(path))


def to_be_created(engine: Engine, names: Iterable[str], *, type: str) -> dict[str, dict[str, Any]]:
    """Name → the state's entry that the program would create for it, without ID.

    Resources are left out that the program does not create, whose parent or provider the state does not hold, or that have inputs
    that only an update will know. Errors as `Engine.run`.
    """
    wanted = set(names)
    if not wanted:
        return {}
    with tempfile.TemporaryDirectory(prefix="tiercast-goals-") as folder:
        path = Path(folder, "goals.json")
        engine.run("preview", "--save-plan", str(path))
        plans: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["resourcePlans"]
    found = {}
    for urn, plan in plans.items():
        goal = plan.get("goal") or {}
        if goal.get("type") != type or goal.get("name") not in wanted or plan.get("steps") != ["create"]:
            continue
        entry = {
            "urn": urn,
            "custom": True,
            "type": type,
            "inputs": (goal.get("inputDiff") or {}).get("adds") or {},
            "parent": goal.get("parent", ""),
            "provider": goal.get("provider", ""),
        }
        if _UNKNOWN not in json.dumps(entry):
            found[str(goal["name"])] = entry
    return found
