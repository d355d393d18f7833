"""`tiercast reconcile`: a scheduled run, once or repeated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters.project import Project
from reconciler.apply.bounds import read_envelope
from reconciler.approval.envelope import Envelope
from reconciler.cli import options
from reconciler.cli.serving import Serving, ServingOptions
from reconciler.errors import UsageError
from reconciler.loop import Mode, RunOptions, RunResult, reconcile_once
from reconciler.loop.propose import ProposalTarget
from reconciler.report.text import plan_tables, terminal


@dataclass(frozen=True, kw_only=True)
class ReconcileOptions(ServingOptions):
    """The command's options."""

    stack: str | None
    fleet: Path | None
    as_of: datetime | None
    mode: str
    bounds: Path | None
    branch: str | None
    patch: Path | None
    allow_dip: bool
    no_policies: bool


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
@click.option(
    "--branch", metavar="NAME", help="propose: commit the plan to this git branch; the work tree stays as it is."
)
@click.option(
    "--patch",
    type=click.Path(path_type=Path, dir_okay=False),
    help="propose: write the plan as a patch for `git apply`; the work tree stays as it is.",
)
@click.option(
    "--every",
    metavar="DURATION",
    help="Repeat: a run is due every DURATION, for example 5m. Without --runs until SIGTERM or SIGINT.",
)
@click.option("--runs", type=click.IntRange(1, 100_000), help="Number of runs. Default: 1, with --every no limit.")
@click.option(
    "--jitter",
    metavar="DURATION",
    default="0s",
    show_default=True,
    help="Start each repeated run up to DURATION later.",
)
@click.option(
    "--run-timeout",
    metavar="DURATION",
    help="End a run that takes longer. The engine gets one SIGINT and is waited for.",
)
@click.option("--metrics", metavar="HOST:PORT", help="Serve /metrics (Prometheus) and /healthz. Needs --every.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths and of the jitter.")
@options.allow_dip
@options.no_policies
@options.as_json
@options.bundled(ReconcileOptions)
def command(chosen: ReconcileOptions) -> int:
    """Plan from the observed state, preview with the policies, and apply as far as the mode allows.

    Exit code of the last run: 0 nothing to do or applied, 2 changes that need an approval, 3 refused by policy, 1 error.
    With --every a run that fails does not end the command: the error is reported, and the next run tries again. A service
    that SIGTERM ends has exit code 0. After SIGINT or a second signal it is 130.
    """
    project = options.open_project(chosen.stack, chosen.fleet)
    bounds = chosen.bounds
    envelope = read_envelope(bounds) if bounds is not None else None
    if (chosen.branch or chosen.patch) and chosen.mode != Mode.PROPOSE:
        raise UsageError("--branch and --patch need --mode propose.")
    runs = Serving(chosen, name=f"{project.name}/{project.stack}")

    def once() -> int:
        with options.locked(project, "reconcile"):
            return _run(project, chosen, envelope, runs)

    return runs.run(once)


def _run(project: Project, chosen: ReconcileOptions, envelope: Envelope | None, runs: Serving) -> int:
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
            target=ProposalTarget(branch=chosen.branch, patch=chosen.patch) if chosen.branch or chosen.patch else None,
        ),
        progress=lambda line: progress.print(line),
        before=runs.stopping.before,
    )
    runs.decided(done)
    if chosen.as_json:
        click.echo(json.dumps(_json(done), sort_keys=True, ensure_ascii=False))
    elif done.summary is None:
        Console().print(plan_tables(done.plan))
        for why in done.held:
            options.say(f"not applied: {why}")
        click.echo("only the ledger was written")
    else:
        Console().print(terminal(done.summary))
        for why in done.held:
            options.say(f"not applied: {why}")
        if done.proposed:
            options.say(f"proposed: {done.proposed}")
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
        "proposed": done.proposed,
    }
