"""`tiercast reconcile`: a scheduled run, once or repeated."""

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
from reconciler.loop import Mode, RunOptions, RunResult, reconcile_once
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
    allow_dip: bool
    no_policies: bool
    as_json: bool


@click.command("reconcile")
@options.project
@options.as_of
@click.option(
    "--mode",
    type=click.Choice([m.value for m in Mode]),
    default=Mode.SHADOW.value,
    show_default=True,
    help="How far a run goes: shadow only records its plan, propose also writes and previews it, apply-within-bounds "
    "applies a plan inside --bounds, apply applies every plan that no policy refuses.",
)
@click.option(
    "--bounds", type=click.Path(path_type=Path, dir_okay=False), help="File with the approved envelope (YAML or JSON)."
)
@click.option("--every", metavar="DURATION", help="Pause between runs, for example 5m; use it with --runs.")
@click.option("--runs", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Number of runs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@options.allow_dip
@options.no_policies
@options.as_json
@options.bundled(ReconcileOptions)
def command(chosen: ReconcileOptions) -> int:
    """Plan from the observed state, preview with the policies, and apply as far as the mode allows.

    Exit code of the last run: 0 nothing to do or applied, 2 changes that need an approval, 3 refused by policy, 1 error.
    With --every and --runs, a run that fails because a system did not answer does not end the command: the next run
    tries again. Any other error ends the command, and so does an error of the last run.
    """
    project = options.open_project(chosen.stack, chosen.fleet)
    bounds = chosen.bounds
    envelope = parse_envelope(read_yaml(bounds, "an envelope"), str(bounds)) if bounds is not None else None
    try:
        pause = read_duration(chosen.every) if chosen.every is not None else timedelta(0)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from None
    code = 0
    for number in range(chosen.runs):
        if number:
            time.sleep(pause.total_seconds())
        try:
            with options.locked(project, "reconcile"):
                code = _run(project, chosen, envelope)
        except TiercastError as error:
            if not error.retryable or number == chosen.runs - 1:
                raise
            options.say(f"run {number + 1} of {chosen.runs} failed: {error} The next run starts in {pause}.", err=True)
            if chosen.as_json:
                click.echo(failures.document(error))
    return code


def _run(project: Project, chosen: ReconcileOptions, envelope: Envelope | None) -> int:
    progress = Console(stderr=True, highlight=False)
    done = reconcile_once(
        project,
        RunOptions(
            mode=Mode(chosen.mode),
            now=options.now(),
            envelope=envelope,
            as_of=chosen.as_of,
            seed=chosen.seed,
            no_policies=chosen.no_policies,
            allow_dip=chosen.allow_dip,
        ),
        progress=lambda line: progress.print(line),
    )
    if chosen.as_json:
        click.echo(json.dumps(_json(done), sort_keys=True, ensure_ascii=False))
    elif done.summary is None:
        Console().print(plan_tables(done.plan))
        click.echo("shadow: only the ledger was written")
    else:
        Console().print(terminal(done.summary))
        for why in done.held:
            options.say(f"not applied: {why}")
        if done.applied:
            click.echo(f"plan {done.plan.id} was applied")
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
