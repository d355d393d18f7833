"""`tiercast release`: forgets everything that the stack holds, and leaves it running."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.adapters import ledger
from reconciler.adapters.adopted import change_adopted
from reconciler.adapters.files import write_bytes
from reconciler.adapters.pins import person
from reconciler.adapters.settle.checkpoint import export_state, import_state
from reconciler.cli import options
from reconciler.record.entries import HandedOver
from stacks.contract import Adopted


@click.command("release")
@options.project
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@options.as_json
def command(stack: str | None, fleet: Path | None, yes: bool, as_json: bool) -> int:
    """Forget every resource of the stack. Nothing is deleted: instances, groups and volumes go on running.

    The old state is kept beside the ledger (released-TIME.json). Stop scheduled runs before: the next `up` would create the
    fleet a second time.
    """
    project = options.open_project(stack, fleet)
    now = options.now()
    with options.locked(project, "release"):
        engine = project.engine()
        found = [r for r in engine.state() if not r.type.startswith(("pulumi:", "tiercast:"))]
        if not as_json:
            for resource in found:
                options.say(f"{resource.type.rsplit(':', 1)[-1]:<16} {resource.name}  {resource.id}")
        if not found:
            options.say(f"the stack {project.stack} holds no resource", err=True)
            return 0
        if not yes:
            question = f"Forget these {len(found)} resources of {project.name}/{project.stack} and leave them running?"
            click.confirm(question, abort=True, err=True)
        backup = project.work / f"released-{now:%Y%m%dT%H%M%SZ}.json"
        names = tuple(resource.name for resource in found)
        ledger.append(project.ledger_file, HandedOver(at=now, event="release", resources=names, by=person(project)))
        state = export_state(engine)
        write_bytes(backup, json.dumps(state, indent=1).encode(), mode=0o600)
        import_state(
            engine, {**state, "deployment": {**state["deployment"], "resources": [], "pending_operations": []}}
        )
        if project.stack_file.exists():
            change_adopted(project, lambda _: Adopted())
        project.plan_file.unlink(missing_ok=True)
    if as_json:
        click.echo(json.dumps({"released": list(names), "state": str(backup)}, indent=2))
    else:
        options.say(f"released {len(found)} resources; the old state is in {backup.relative_to(project.root)}")
    return 0
