"""`tiercast score`: the accuracy that forecasts would have had, step by step over the end of the history."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from forecaster.hierarchy.structure import series_values, structure_of
from forecaster.history.grid import span
from forecaster.history.history import Floats, History
from forecaster.models.lstm import pretrained
from forecaster.plbm.accuracy import Accuracy, accuracy, seasonal_naive
from forecaster.rolling.walk import walk
from forecaster.series.forecast import SeriesInput
from forecaster.series.knots import Pipeline
from reconciler.adapters.history.source import read_walk
from reconciler.cli import options
from reconciler.demand.forecaster_settings import settings_of
from reconciler.demand.grouping import nodes_of
from reconciler.errors import InputError
from reconciler.report.text import shown


@dataclass(frozen=True, kw_only=True)
class SeriesScore:
    """Accuracy of a series at one lead time, as `--json` writes it; None where a measure has no value."""

    series: str
    ahead: str
    steps: int
    weighted_quantile_loss: float | None
    against_seasonal_naive: float | None
    coverage: dict[str, float | None]
    scaled_interval_score: float | None
    mase: float | None


@click.command("score")
@options.project
@options.as_of
@click.option(
    "--days", type=click.IntRange(1), default=7, show_default=True, help="Days to score, at the end of the history."
)
@click.option(
    "--series",
    "most",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Number of series to score, the largest first.",
)
@options.as_json
def command(stack: str | None, fleet: Path | None, as_of: datetime | None, days: int, most: int, as_json: bool) -> int:
    """Forecast every step of the last days from what was known then, 2 steps and 24 hours ahead, and compare the
    forecasts with the actuals.

    Reports the weighted quantile loss (also relative to a seasonal naive forecast), the coverage of intervals, the
    scaled interval score and MASE."""
    project = options.open_project(stack, fleet)
    said = project.read_fleet()
    with Console(stderr=True).status("scoring the history …"):
        base, now = project.fleet_path.parent, options.now()
        history, hindsight = read_walk(said, base=base, as_of=as_of, now=now)
        first = history.length - round(timedelta(days=days) / history.step)
        if first < 2:
            raise InputError(
                "history",
                f"it has {history.length} steps, too few to score {days} days and to learn from the steps before them.",
                "Give a smaller --days or a longer history.",
            )
        settings = settings_of(said)
        structure = structure_of(history, nodes_of(said, history.pairs), settings)
        values = series_values(history, structure, settings.calendar)
        # Steps hidden by an outage are unknown, not zero, even before the outage was known.
        truth = series_values(hindsight, structure, settings.calendar)
        order = np.argsort(-np.nansum(values, axis=1), kind="stable")[:most]
        rows = [row for k in order for row in _scores(structure.series[k], values[k], truth[k], history, first)]
    if as_json:
        click.echo(json.dumps({"days": days, "series": [asdict(row) for row in rows]}, indent=2, ensure_ascii=False))
        return 0
    table = Table("series", "ahead", "loss", "/ naive", "50 %", "80 %", "90 %", "98 %", "SIS", "MASE")
    for row in rows:
        cover = [_share(row.coverage[share]) for share in ("0.5", "0.8", "0.9", "0.98")]
        measures = [_number(row.scaled_interval_score), _number(row.mase)]
        loss = [_number(row.weighted_quantile_loss), _number(row.against_seasonal_naive)]
        table.add_row(shown(row.series), row.ahead, *loss, *cover, *measures)
    Console().print(table)
    click.echo(
        "loss: weighted quantile loss; / naive: loss relative to a seasonal naive forecast; SIS: scaled interval score at 90 %"
    )
    return 0


def _scores(name: str, values: Floats, truth: Floats, history: History, first: int) -> list[SeriesScore]:
    """Accuracy at both lead times. Forecasts are made from `values` (n,) and compared with `truth` (n,), in requests."""
    day = max(1, round(timedelta(days=1) / history.step))
    times = history.index.tz_localize(None).to_numpy()
    series = SeriesInput(values=values, times=times, step=history.step)
    made = walk(series, lead=1, start=first, pipeline=Pipeline(quantile_models=(pretrained(),)))
    out = []
    for ahead in (made.near, made.day):
        if ahead is None:
            continue
        inside = ahead.rows < history.length
        rows, quantiles = ahead.rows[inside], ahead.quantiles[inside]
        ours = accuracy(truth[rows], quantiles, 7 * day, values[:first])
        naive_rows = seasonal_naive(values, first, ahead.h, day)[rows[rows >= first] - first]
        naive = accuracy(truth[rows[rows >= first]], naive_rows, 7 * day, values[:first])
        out.append(_score(name, span(int(ahead.h * history.step / timedelta(microseconds=1))), ours, naive))
    return out


def _score(name: str, ahead: str, ours: Accuracy, naive: Accuracy) -> SeriesScore:
    ratio = ours.weighted_quantile_loss / naive.weighted_quantile_loss if naive.weighted_quantile_loss > 0 else np.nan
    return SeriesScore(
        series=name,
        ahead=ahead,
        steps=ours.steps,
        weighted_quantile_loss=_finite(ours.weighted_quantile_loss),
        against_seasonal_naive=_finite(ratio),
        coverage={str(share): _finite(value) for share, value in ours.coverage.items()},
        scaled_interval_score=_finite(ours.scaled_interval_score),
        mase=_finite(ours.mase),
    )


def _finite(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
