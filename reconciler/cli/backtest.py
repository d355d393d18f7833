"""`tiercast backtest`: replay a history and write what would have been allocated and forecast, as of every step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
import pandas as pd

from forecaster.demand import LEVELS
from forecaster.models.lstm import pretrained
from forecaster.rolling.walk import AheadForecast, walk
from reconciler.adapters.files import write_json, write_text
from reconciler.adapters.history.flights import SOURCE as FLIGHTS
from reconciler.adapters.history.read import read_history
from reconciler.adapters.history.rules import HistoryRules
from reconciler.cli.backtest_fleet import Wanted, backtest_fleet
from reconciler.errors import InputError, UsageError
from reconciler.onepool.replay import measured, pooled
from reconciler.onepool.walk import Allocation, allocate, at_risk, table


@click.command("backtest")
@click.option(
    "--history",
    "histories",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="CSV, CSV.gz or Parquet.",
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
    help="With --pool: share that may go unserved: 0.01 or 1%; repeatable.",
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
    help="Written: counts per step; with several asks and risks A.SHARE.csv and A.risk-P.csv each.",
)
@click.option("--forecasts", type=click.Path(path_type=Path), help="Written: quantiles 1 + lead steps and 24 h ahead.")
@click.option(
    "--json",
    "summary",
    type=click.Path(path_type=Path),
    help="Written: measures per application and ask, or of the fleet.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="With --fleet, written: cost against violations (HTML).")
@click.option("--gate", type=click.Path(path_type=Path), help="With --fleet: exit 1 where worse than this summary.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="With --fleet: paths and losses.")
def command(
    histories: tuple[Path, ...],
    pool: bool,
    unit: float | None,
    lead: int,
    asks: tuple[str, ...],
    risks: tuple[str, ...],
    fleet: Path | None,
    since: str,
    until: str | None,
    allocations: Path,
    forecasts: Path | None,
    summary: Path | None,
    plot: Path | None,
    gate: Path | None,
    seed: int,
) -> int:
    """Replay every plan of a fleet (--fleet, --to), or walk one pool of equal instances (--pool, --unit, --ask)."""
    if pool == (fleet is not None):
        raise UsageError("give either --fleet FILE, to replay a fleet's plans, or --pool, to walk one pool.")
    if fleet is not None:
        if unit is not None or asks or risks or until is None:
            raise UsageError(
                "with --fleet give --to, and neither --unit nor --ask nor --risk: the fleet file says them."
            )
        _there(histories)
        return backtest_fleet(
            Wanted(
                histories=histories,
                fleet=fleet,
                since=_moment(since, "--from"),
                until=_moment(until, "--to"),
                allocations=allocations,
                forecasts=forecasts,
                summary=summary,
                plot=plot,
                gate=gate,
                seed=seed,
            )
        )
    if until is not None or plot is not None or gate is not None:
        raise UsageError("--to, --plot and --gate are for --fleet.")
    if unit is None or not (asks or risks):
        raise UsageError("with --pool give --unit and at least one --ask or --risk.")
    return _pool(histories, unit, lead, asks, risks, since, allocations, forecasts, summary)


def _there(histories: tuple[Path, ...]) -> None:
    """Refuse a history that is not there in the words of the command line: no fleet file names it."""
    for path in histories:
        if str(path) != FLIGHTS and not path.exists() and not any(path.parent.glob(path.name)):
            raise InputError(
                f"--history {path}", "no such file or folder; expected CSV, CSV.gz or Parquet.", "Correct the path."
            )


def _pool(
    histories: tuple[Path, ...],
    unit: float,
    lead: int,
    asks: tuple[str, ...],
    risks: tuple[str, ...],
    since: str,
    allocations: Path,
    forecasts: Path | None,
    summary: Path | None,
) -> int:
    """Walk one pool step by step from --from on; the count of a step is decided 1 + lead steps before it."""
    if not (np.isfinite(unit) and unit > 0):
        raise UsageError(f"--unit is {unit}; expected the requests that one instance serves in a step, more than 0.")
    shares = [_share(text, "--ask") for text in asks]
    fixed = [_share(text, "--risk") for text in risks]
    labels = [*asks, *(f"risk-{text}" for text in risks)]
    first = _moment(since, "--from")
    _there(histories)
    history = read_history(list(histories), step=None, replay=True, rules=HistoryRules(said_in=""))
    start = round((first - history.start) / history.step)
    if not 2 <= start <= history.length:
        raise UsageError(
            f"--from {since} leaves {max(start, 0)} steps of training in a history from {history.start.isoformat()} to "
            f"{history.cutoff.isoformat()}; it must lie inside, after at least 2 steps."
        )
    times = history.index.tz_localize(None).to_numpy()
    at = pd.date_range(
        history.start, periods=history.length + 1 + lead + round(timedelta(days=1) / history.step), freq=history.step
    )
    stamps = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_numpy()
    written: dict[str, list[pd.DataFrame]] = {label: [] for label in labels}
    predicted, report = [], []
    for name, y in pooled(history).items():
        chosen = table(y, times, step=history.step, lead=lead, unit=unit, start=start)
        made = allocate(y, chosen, asks=shares, step=history.step, lead=lead, unit=unit, start=start)
        made += [at_risk(chosen, risk, start=start) for risk in fixed]
        for label, one in zip(labels, made, strict=True):
            written[label].append(_rows(name, one, stamps[start : start + len(one.counts)]))
            report.append({"application": name, "setting": label, **measured(y[start:], one, unit, lead)})
        if forecasts is not None:
            ahead = walk(y, times, step=history.step, lead=lead, start=start, quantile_models=(pretrained(),))
            predicted += [_long(name, part, stamps) for part in (ahead.near, ahead.day) if part is not None]
    for label, rows in written.items():
        target = allocations if len(written) == 1 else allocations.with_suffix(f".{label}.csv")
        write_text(target, pd.concat(rows).to_csv(index=False, lineterminator="\n"), through_link=True)
    if forecasts is not None:
        write_text(
            forecasts,
            pd.concat(predicted).to_csv(index=False, lineterminator="\n", float_format="%.8g"),
            through_link=True,
        )
    if summary is not None:
        write_json(summary, {"unit": unit, "lead": lead, "from": first.isoformat(), "rows": report}, through_link=True)
    for row in report:
        click.echo(
            f"{row['application']}: {row['setting']}, obtained {row['violating_share']:.3%}, cost {row['cost']:.0f} "
            f"instance-steps, regret {row['regret']:.1%}, {row['violating_steps']} violating steps"
        )
    return 0


def _share(text: str, option: str) -> float:
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
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


def _rows(name: str, one: Allocation, stamps: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"timestamp": stamps, "application_id": name, "count": one.counts})


def _long(name: str, part: AheadForecast, stamps: np.ndarray) -> pd.DataFrame:
    if len(part.rows) and part.rows[-1] >= len(stamps):
        raise InputError(name, "a forecast lies beyond the stamped steps.", "Please report this history.")
    k = len(LEVELS)
    return pd.DataFrame(
        {
            "timestamp": np.repeat(stamps[part.rows], k),
            "application_id": name,
            "cutoff": np.repeat(stamps[part.rows - part.h], k),
            "quantile": np.tile(np.asarray(LEVELS), len(part.rows)),
            "value": part.quantiles.ravel(),
        }
    )
