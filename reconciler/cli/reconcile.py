"""`tiercast reconcile`: the scheduled run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters.files import read_yaml
from reconciler.adapters.project import Project
from reconciler.approval.envelope import Envelope, parse_envelope
from reconciler.cli import failures, options
from reconciler.errors import TiercastError, UsageError
from reconciler.fleet.types import read_duration
from reconciler.loop import Mode, RunResult, reconcile_once
from reconciler.report.text import plan_tables, terminal


@dataclass(frozen=True, kw_only=True)
class ReconcileOptions:
    """The command's options."""

    stack: str | None
    fleet: Path | None
    as_of: datetime | None
    mode: str
    bounds: Path | None
    every: str | None
    runs: int
    seed: int
    no_policies: bool
    as_json: bool


@click.command("reconcile")
@options.project
@options.as_of
@click.option("--mode", type=click.Choice([m.value for m in Mode]), default=Mode.SHADOW.value, show_default=True)
@click.option("--bounds", type=click.Path(path_type=Path, dir_okay=False), help="Approved envelope (YAML or JSON).")
@click.option("--every", metavar="DURATION", help="Repeat, for instance 5m; with --runs.")
@click.option("--runs", type=click.IntRange(1, 100_000), default=1, show_default=True, help="How many runs at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@options.no_policies
@options.as_json
@options.bundled(ReconcileOptions)
def command(it: ReconcileOptions) -> int:
    """Plan from what is observed, preview with the policies, and apply as far as the mode allows.

    Exit code of the last run: 0 nothing to do or applied, 2 changes that wait for a person, 3 refused by policy, 1 error.
    With --every and --runs, a run that fails because a system did not answer does not end the command: the next run
    tries again. Any other error ends it, and so does an error of the last run.
    """
    project = options.open_project(it.stack, it.fleet)
    bounds = it.bounds
    envelope = parse_envelope(read_yaml(bounds, "an envelope"), str(bounds)) if bounds is not None else None
    try:
        pause = read_duration(it.every) if it.every is not None else timedelta(0)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from None
    code = 0
    for number in range(it.runs):
        if number:
            time.sleep(pause.total_seconds())
        try:
            with options.locked(project, "reconcile"):
                code = _run(project, it, envelope)
        except TiercastError as error:
            if not error.retryable or number == it.runs - 1:
                raise
            options.say(f"run {number + 1} of {it.runs} failed: {error} The next run starts in {pause}.", err=True)
            if it.as_json:
                click.echo(failures.document(error))
    return code


def _run(project: Project, it: ReconcileOptions, envelope: Envelope | None) -> int:
    progress = Console(stderr=True, highlight=False)
    done = reconcile_once(
        project,
        mode=Mode(it.mode),
        envelope=envelope,
        as_of=it.as_of,
        now=options.now(),
        seed=it.seed,
        no_policies=it.no_policies,
        progress=lambda line: progress.print(line),
    )
    if it.as_json:
        click.echo(json.dumps(_json(done), sort_keys=True, ensure_ascii=False))
    elif done.summary is None:
        Console().print(plan_tables(done.plan))
        click.echo("shadow: nothing was written but the ledger")
    else:
        Console().print(terminal(done.summary))
        for why in done.held:
            options.say(f"not applied: {why}")
        if done.applied:
            click.echo(f"plan {done.plan.id} is applied")
    if done.summary is None:
        return 2 if any(t.before != t.after for t in done.plan.tiers) else 0
    return 0 if done.applied else done.summary.exit_code


def _json(done: RunResult) -> dict[str, object]:
    return {
        "plan": done.plan.id,
        "tiers": {t.tier: {"before": t.before, "after": t.after} for t in done.plan.tiers},
        "verdict": None if done.summary is None else done.summary.verdict,
        "applied": done.applied,
        "held": list(done.held),
    }
