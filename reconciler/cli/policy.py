"""`tiercast policy`: runs the policy pack without a cloud."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from policies import tagging
from policies.pack import RULES
from policies.pack_config import PackConfig, PackConfigError, read_pack_config
from policies.places import reader
from policies.trial import StackUnderTrial, TrialResult, facts_of, usd_per_hour_at_most, verdicts
from reconciler.adapters.files import read_placed, read_text, read_yaml
from reconciler.cli import options
from reconciler.errors import InputError
from reconciler.plan.render import read_config
from stacks.yaml_text import load_json

REFUSED = 3
SECRET = "[secret]"


@click.group("policy")
def policy() -> None:
    """Run the policy pack against a stack file without a cloud, or list its policies."""


@policy.command("test")
@click.argument("stack_file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration of the pack, as for --policy-pack-config. Default: policies/config.<stack>.json, then config.json.",
)
@click.option("--only", multiple=True, metavar="POLICY", help="Run only this policy; repeatable.")
@options.as_json
def test(stack_file: Path, config_file: Path | None, only: tuple[str, ...], as_json: bool) -> int:
    """Run the policies on the resources that the program would declare for STACK_FILE (Pulumi.<stack>.yaml).

    Exit code: 0 passed, 3 refused by a mandatory policy, 1 error.
    """
    names = [*(rule.name for rule in RULES), tagging.NAME]
    if unknown := set(only) - set(names):
        raise click.UsageError(f"There is no policy {', '.join(sorted(unknown))}; known are {', '.join(names)}.")
    trial = _trial(stack_file)
    folder = _pack_folder(stack_file)
    config = _pack_config(config_file, folder, trial.stack, names)
    facts = facts_of(trial, now=options.now(), read=reader(folder), pack=config)
    found = [v for v in verdicts(facts, RULES, config) if not only or v.name in only]
    refused = any(verdict.refuses for verdict in found)
    if as_json:
        cost = usd_per_hour_at_most(facts, config.settings.get("cost-ceiling", {})) if facts.config else None
        click.echo(json.dumps(_to_json(trial, found, refused, cost), indent=2, sort_keys=True, ensure_ascii=False))
    else:
        _print(found, refused)
    return REFUSED if refused else 0


@policy.command("list")
@options.as_json
def show(as_json: bool) -> None:
    """List the pack's policies with their settings."""
    rows = [
        {
            "name": rule.name,
            "level": rule.level,
            "severity": rule.severity,
            "description": rule.description,
            "remedy": rule.remedy,
            "settings": rule.schema(),
        }
        for rule in (*RULES, tagging.RULE)
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table("policy", "level", "severity", "requirement", "settings", box=None, pad_edge=False)
    for row in rows:
        settings = row["settings"]
        assert isinstance(settings, dict)
        table.add_row(
            str(row["name"]), str(row["level"]), str(row["severity"]), str(row["description"]), ", ".join(settings)
        )
    Console(soft_wrap=False).print(table)


def _trial(stack_file: Path) -> StackUnderTrial:
    name = re.fullmatch(r"Pulumi\.(.+)\.ya?ml", stack_file.name)
    if name is None:
        raise InputError(
            str(stack_file), "not the name of a stack file; expected Pulumi.<stack>.yaml.", "Correct the path."
        )
    raw = read_config(read_text(stack_file, "a stack file"), str(stack_file))
    secret = frozenset(key for key, value in raw.items() if _has_secret(value))
    known = {key: _without_secrets(value) for key, value in raw.items()}
    project = read_yaml(stack_file.parent / "Pulumi.yaml", "a Pulumi project file")
    return StackUnderTrial(
        project=str(project.get("name", "tiercast")) if isinstance(project, Mapping) else "tiercast",
        stack=name.group(1),
        values={key.partition(":")[2]: value for key, value in known.items() if key.startswith("tiercast:")},
        plain={
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in known.items()
            if key not in secret
        },
        secret_keys=frozenset(key.partition(":")[2] for key in secret if key.startswith("tiercast:")),
        provider={key: value for key, value in known.items() if not key.startswith("tiercast:")},
    )


def _has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "secure" in value or any(_has_secret(one) for one in value.values())
    return isinstance(value, list) and any(_has_secret(one) for one in value)


def _without_secrets(value: Any) -> Any:
    """The value with each encrypted part replaced by `SECRET`: no policy needs the plain text."""
    if isinstance(value, Mapping):
        return SECRET if set(value) == {"secure"} else {key: _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _pack_folder(stack_file: Path) -> Path:
    """Folder of the project's own pack. Paths in the pack's configuration are relative to it."""
    return stack_file.resolve().parent / "policies"


def _pack_config(given: Path | None, folder: Path, stack: str, names: list[str]) -> PackConfig:
    found = given or next(
        (path for path in (folder / f"config.{stack}.json", folder / "config.json") if path.exists()), None
    )
    if found is None:
        return PackConfig()
    raw, places = read_placed(found, "a policy pack's configuration", load_json)
    try:
        return read_pack_config(raw, names, places)
    except PackConfigError as error:
        line = places.line(error.path)
        place = f"{found}, line {line}" if line else str(found)
        raise InputError(place, f"{error}.", "Fix the policy pack's configuration.") from None


def _print(found: list[TrialResult], refused: bool) -> None:
    console = Console(soft_wrap=True)
    for verdict in found:
        colour = {"pass": "green", "refuse": "red"}.get(verdict.status, "yellow")
        why = f": {verdict.lacking}" if verdict.status == "not configured" else ""
        console.print(f"[{colour}]{verdict.status:<6}[/]  {verdict.name}{why}")
        for violation in verdict.violations:
            console.print(f"        {escape(violation.message)}")
    count = sum(1 for verdict in found if verdict.refuses)
    idle = sum(1 for verdict in found if verdict.status == "not configured")
    rest = f", {idle} not configured" if idle else ""
    verdict_line = f"refused by {count} of {len(found)} policies" if refused else f"passed {len(found) - idle} policies"
    console.print(f"{verdict_line}{rest}")


def _to_json(trial: StackUnderTrial, found: list[TrialResult], refused: bool, cost: float | None) -> dict[str, Any]:
    return {
        "stack": trial.stack,
        "refused": refused,
        "usdPerHourAtMost": cost,
        "policies": [
            {
                "name": verdict.name,
                "level": verdict.level,
                "status": verdict.status,
                "lacking": verdict.lacking,
                "severity": verdict.severity,
                "violations": [{"message": v.message, "urn": v.urn} for v in verdict.violations],
            }
            for verdict in found
        ],
    }
