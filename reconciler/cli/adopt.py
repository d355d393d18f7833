"""`tiercast adopt`: takes groups and VMs that exist already into the stack, without replacing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters import ledger
from reconciler.adapters.adopted import change_adopted, find_domain, find_group
from reconciler.adapters.pins import person
from reconciler.adapters.project import Project
from reconciler.apply import preview_plan
from reconciler.cli import options
from reconciler.errors import InputError, UsageError
from reconciler.fleet.file import Fleet
from reconciler.loop import make_plan
from reconciler.plan.adopted import check_group, check_machine, host_of
from reconciler.record.entries import HandedOver
from reconciler.report.summary import Summary
from reconciler.report.text import terminal
from stacks.contract import Adopted


class NamePair(click.ParamType[tuple[str, str]]):
    """`OURS=THEIRS`."""

    name = "OURS=THEIRS"

    def convert(
        self, value: tuple[str, str] | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        ours, equals, theirs = value.partition("=")
        if not (ours and equals and theirs):
            self.fail(f"{value!r} is not of the form NAME=EXISTING.", param, ctx)
        return ours, theirs


@click.command("adopt")
@options.project
@click.option(
    "--group",
    "groups",
    type=NamePair(),
    multiple=True,
    metavar="NAME=GROUP",
    help="Adopt the auto scaling group GROUP with its launch template as NAME (warm-TYPE with `-` for `.`, or cold-burst).",
)
@click.option(
    "--machine",
    "machines",
    type=NamePair(),
    multiple=True,
    metavar="SLOT=DOMAIN",
    help="Adopt the libvirt domain DOMAIN in the slot SLOT (TIER-HYPERVISOR-NNN).",
)
@options.no_policies
@options.as_json
def command(
    stack: str | None,
    fleet: Path | None,
    groups: tuple[tuple[str, str], ...],
    machines: tuple[tuple[str, str], ...],
    no_policies: bool,
    as_json: bool,
) -> int:
    """Adopt what exists, make a plan with it, and preview the plan. Nothing is changed in the cloud or on a hypervisor.

    The next `tiercast up` imports it. If that would replace something, the command says which properties differ, and adopts
    nothing.

    Exit code: 2 adopted, and the plan waits for its approval; 3 adopted, but a policy refuses the plan; 1 error.
    """
    if not groups and not machines:
        raise UsageError("Nothing is named: give --group NAME=GROUP or --machine SLOT=DOMAIN.")
    project = options.open_project(stack, fleet)
    progress = Console(stderr=True)
    with options.locked(project, "adopt"), progress.status("reading what exists, planning, previewing …"):
        found = _found(project, project.read_fleet(), dict(groups), dict(machines))
        names = [*found.groups, *found.machines]
        before = change_adopted(project, lambda kept: kept)
        change_adopted(project, lambda kept: _with(kept, found))
        try:
            summary = _previewed(project, no_policies=no_policies)
            _refuse_replacements(summary, names)
        except BaseException:
            change_adopted(project, lambda _: before)
            project.plan_file.unlink(missing_ok=True)  # it imports what is not adopted
            raise
        entry = HandedOver(
            at=options.now(), event="adopt", plan=summary.plan.id, resources=tuple(names), by=person(project)
        )
        ledger.append(project.ledger_file, entry)
    if as_json:
        body = {"adopted": names, **summary.to_json()}
        click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        Console().print(terminal(summary))
        options.say(f"adopted {', '.join(names)}; `tiercast up` imports them")
    return summary.exit_code


def _found(project: Project, fleet: Fleet, groups: Mapping[str, str], machines: Mapping[str, str]) -> Adopted:
    """What is named, read and checked. InputError if the fleet can't take it."""
    owner = {"project": project.name, "stack": project.stack.rpartition("/")[2]}
    return Adopted(
        groups={
            ours: check_group(fleet, ours, find_group(theirs, fleet.config), **owner) for ours, theirs in groups.items()
        },
        machines={
            ours: check_machine(fleet, ours, find_domain(host_of(fleet, ours), theirs), **owner)
            for ours, theirs in machines.items()
        },
    )


def _with(kept: Adopted, found: Adopted) -> Adopted:
    return Adopted(groups={**kept.groups, **found.groups}, machines={**kept.machines, **found.machines})


def _previewed(project: Project, *, no_policies: bool) -> Summary:
    now = options.now()
    plan = make_plan(project, as_of=None, now=now)
    return preview_plan(project, plan, path=project.plan_file, refresh=False, now=now, no_policies=no_policies)


def _refuse_replacements(summary: Summary, names: list[str]) -> None:
    """Raise InputError if the preview does anything to what was adopted but import and update it."""
    allowed = ("import", "update", "same", "read", "refresh", "diff")
    wrong = [step for step in summary.preview.steps if step.name in names and step.op not in allowed and step.changes]
    if wrong:
        said = "; ".join(f"{s.name}: {s.op} ({', '.join(s.keys) or 'it is not as declared'})" for s in wrong)
        raise InputError(
            "the preview",
            f"it does more to what is adopted than import and update it: {said}.",
            "Make these properties in fleet.yaml what they are in the world, then adopt again. Nothing was adopted.",
        )
