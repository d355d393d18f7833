"""`tiercast forecast`: demand quantiles from the kept forecaster, brought up to date first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from forecaster.hierarchy.levels import NAMES
from reconciler.adapters.files import write_text
from reconciler.adapters.kept_forecaster import Kept, resume, runner
from reconciler.cli import options
from reconciler.errors import UsageError
from reconciler.plan.recommend import Rows, recommended
from reconciler.report.forecast import forecast_json, forecast_rows, forecast_table, pair_rows, prediction_text


@dataclass(frozen=True, kw_only=True)
class ForecastOptions:
    """The command's options."""

    stack: str | None
    fleet: Path | None
    as_of: datetime | None
    level: str
    horizon: int | None
    user: str | None
    application: str | None
    at: datetime | None
    out: Path | None
    instances: bool
    jobs: int
    cluster: str | None
    as_json: bool


@click.command("forecast")
@options.project
@options.as_of
@click.option("--level", type=click.Choice([*NAMES, "pair"]), default="node", show_default=True, help="What to sum to.")
@click.option("--horizon", type=click.IntRange(1), help="Steps ahead; default: the fleet's horizon.")
@click.option("--user", help="One user, with --application and --at.")
@click.option("--application", help="One application, with --user and --at.")
@click.option("--at", type=options.Instant(), help="The time that --user and --application are predicted for.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all quantiles as CSV.")
@click.option("--instances", is_flag=True, help="Also size it: instances per tier and type, with intervals.")
@options.fits
@options.as_json
@options.bundled(ForecastOptions)
def command(it: ForecastOptions) -> int:
    """Print demand quantiles with intervals, for all of a level or for one user and application (requests, vCPU, memory,
    network). Newer history than the kept model knows is taken in first."""
    single = [it.user is not None, it.application is not None, it.at is not None]
    if any(single) and not all(single):
        raise UsageError("--user, --application and --at belong together; give all three or none.")
    if it.level == "pair" and it.out is None:
        raise UsageError("--level pair may be very many rows; give --out FILE.csv.")
    if it.instances and any(single):
        raise UsageError("--instances sizes what all applications need together; leave --user out, or --instances.")
    project, now = options.open_project(it.stack, it.fleet), options.now()
    said, base = project.read_fleet(), project.fleet_path.parent
    with Console(stderr=True).status("bringing the forecast up to date …"), runner(it.jobs, it.cluster) as run:
        kept = resume(said, base=base, models=project.models, as_of=it.as_of, run=run, now=now)
        if it.user is not None and it.application is not None and it.at is not None:
            one = kept.plbm.predict(it.user, it.application, it.at)
            click.echo(json.dumps(one.as_json(), indent=2, ensure_ascii=False) if it.as_json else prediction_text(one))
            return 0
        rows = None
        if it.instances:
            rows = recommended(kept.plbm, said, project.read_catalogue(said, now=now).catalogue, now=now)
        _print_level(kept, it, rows)
    return 0


def _print_level(kept: Kept, it: ForecastOptions, instances: Rows | None) -> None:
    shown = "node" if it.level == "pair" else it.level
    forecast = kept.plbm.forecast(level=shown, horizon=it.horizon)
    if it.out is not None:
        rows = pair_rows(kept.plbm) if it.level == "pair" else forecast_rows(forecast)
        write_text(it.out, "\n".join(rows) + "\n", through_link=True)
    if it.as_json:
        document = forecast_json(forecast, shown)
        done = kept.update
        document["update"] = None if done is None else {"scored": done.scored, "refitted": dict(done.refitted)}
        if instances is not None:
            document["instances"] = instances
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    Console().print(forecast_table(forecast, shown))
    if instances is not None:
        table = Table("tier", "type", "instances", title="what that takes, whatever runs now", title_justify="left")
        for row in instances:
            table.add_row(str(row["tier"]), str(row["instance_type"]), f"{row['count']} [{row['low']}, {row['high']}]")
        Console().print(table)
    if kept.update is not None and kept.update.refitted:
        said = "; ".join(f"{name}: {why}" for name, why in sorted(kept.update.refitted.items()))
        options.say(f"fitted anew: {said}")
    if it.out is not None:
        click.echo(f"wrote {it.out}")
