"""`tiercast forecast`: demand quantiles from the kept model, which is updated first."""

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
@click.option(
    "--level", type=click.Choice([*NAMES, "pair"]), default="node", show_default=True, help="Level to aggregate to."
)
@click.option("--horizon", type=click.IntRange(1), help="Steps ahead. Default: the fleet's horizon.")
@click.option("--user", help="Predict one user; needs --application and --at.")
@click.option("--application", help="Predict one application; needs --user and --at.")
@click.option("--at", type=options.Instant(), help="Time of the prediction for --user and --application.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all quantiles to this file (CSV).")
@click.option(
    "--instances",
    is_flag=True,
    help="Also show the instances that the demand needs, per tier and type, with intervals.",
)
@options.fits
@options.as_json
@options.bundled(ForecastOptions)
def command(chosen: ForecastOptions) -> int:
    """Print demand quantiles with intervals, for a whole level or for one user and application (requests, vCPU, memory,
    network). If the history is newer than the kept model, the model is updated first."""
    single = [chosen.user is not None, chosen.application is not None, chosen.at is not None]
    if any(single) and not all(single):
        raise UsageError("--user, --application and --at belong together: give all three or none.")
    if chosen.level == "pair" and chosen.out is None:
        raise UsageError("--level pair can have very many rows: add --out FILE.csv.")
    if chosen.instances and any(single):
        raise UsageError("--instances sizes all applications together: leave out --instances or --user.")
    project, now = options.open_project(chosen.stack, chosen.fleet), options.now()
    said, base = project.read_fleet(), project.fleet_path.parent
    with Console(stderr=True).status("updating the forecast …"), runner(chosen.jobs, chosen.cluster) as run:
        kept = resume(said, base=base, models=project.models, as_of=chosen.as_of, run=run, now=now)
        if chosen.user is not None and chosen.application is not None and chosen.at is not None:
            one = kept.plbm.predict(chosen.user, chosen.application, chosen.at)
            click.echo(
                json.dumps(one.as_json(), indent=2, ensure_ascii=False) if chosen.as_json else prediction_text(one)
            )
            return 0
        rows = None
        if chosen.instances:
            rows = recommended(kept.plbm, said, project.read_catalogue(said, now=now).catalogue, now=now)
        _print_level(kept, chosen, rows)
    return 0


def _print_level(kept: Kept, chosen: ForecastOptions, instances: Rows | None) -> None:
    shown = "node" if chosen.level == "pair" else chosen.level
    forecast = kept.plbm.forecast(level=shown, horizon=chosen.horizon)
    if chosen.out is not None:
        rows = pair_rows(kept.plbm) if chosen.level == "pair" else forecast_rows(forecast)
        write_text(chosen.out, "\n".join(rows) + "\n", through_link=True)
    if chosen.as_json:
        document = forecast_json(forecast, shown)
        done = kept.update
        document["update"] = None if done is None else {"scored": done.scored, "refitted": dict(done.refitted)}
        if instances is not None:
            document["instances"] = instances
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    Console().print(forecast_table(forecast, shown))
    if instances is not None:
        table = Table(
            "tier", "type", "instances", title="instances needed, regardless of what runs now", title_justify="left"
        )
        for row in instances:
            table.add_row(str(row["tier"]), str(row["instance_type"]), f"{row['count']} [{row['low']}, {row['high']}]")
        Console().print(table)
    if kept.update is not None and kept.update.refitted:
        said = "; ".join(f"{name}: {why}" for name, why in sorted(kept.update.refitted.items()))
        options.say(f"refitted: {said}")
    if chosen.out is not None:
        click.echo(f"wrote {chosen.out}")
