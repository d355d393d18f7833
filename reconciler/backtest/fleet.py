"""A fleet's backtest from its history to its summary. Pure: the history comes from a function that reads it as of a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from forecaster.history.history import History
from reconciler.backtest.foresight import foresight
from reconciler.backtest.gate import Tolerance
from reconciler.backtest.measures import Measures, foresight_shares, measured
from reconciler.backtest.replay import FleetReplay, ReplayPeriod, replay
from reconciler.demand.actuals import actuals
from reconciler.demand.outlook import Outlook, outlook
from reconciler.errors import UsageError
from reconciler.fleet.file import Fleet, PriceSource
from reconciler.prices.catalogue import Catalogue

#: Factors on the promised shares: the points of the frontier.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)

#: The demand of a fleet's history as of a time: nothing that came later.
ReadHistory = Callable[[Fleet, datetime], History]


@dataclass(frozen=True, kw_only=True)
class FleetBacktest:
    """What is replayed: a fleet and its prices from `since` up to, not including, `until`; `seed` of paths, interruptions
    and boots."""

    fleet: Fleet
    catalogue: Catalogue
    since: datetime
    until: datetime
    seed: int

    def steps(self) -> int:
        """Whole steps from `since` to `until`.

        Raises:
            UsageError: the times are not starts of steps, or less than one step apart.
        """
        step = self.fleet.step
        count = round((self.until - self.since) / step)
        if count < 1 or self.since + count * step != self.until:
            raise UsageError(f"--from to --to must be one or more whole steps of {step}.")
        if self.since.timestamp() % step.total_seconds() != 0:
            raise UsageError(f"--from {self.since.isoformat()} is not the start of a step of {step}.")
        return count

    @property
    def window(self) -> int:
        """Steps that one plan is for, at least one."""
        return max(self.fleet.validity // self.fleet.step, 1)

    def title(self) -> str:
        """Heading of the frontier."""
        return f"{self.fleet.name}, {self.since.isoformat()} to {self.until.isoformat()}: promised shares × factor"


@dataclass(frozen=True, kw_only=True)
class Walked:
    """One replay and its measures."""

    replay: FleetReplay
    measures: Measures


def walker(backtest: FleetBacktest, read: ReadHistory) -> Callable[[float], Walked]:
    """A function that replays the fleet with every promised share times a factor; 1 is the fleet as it is.

    All factors share the forecasts, which do not depend on the promises. Raises `UsageError` as `FleetBacktest.steps`.
    """
    fleet, steps = backtest.fleet, backtest.steps()
    longer = fleet.history.model_copy(update={"window": fleet.history.window + (backtest.until - backtest.since)})
    demand = actuals(read(fleet.model_copy(update={"history": longer}), backtest.until), fleet, backtest.since, steps)

    @cache
    def known(at: datetime) -> Outlook:
        """What `tiercast plan --as-of` would have seen: the reader itself leaves out what came later."""
        return outlook(fleet, read(fleet, at), at=at, seed=backtest.seed)

    def walk(factor: float) -> Walked:
        scaled = _scaled(fleet, factor)
        period = ReplayPeriod(
            fleet=scaled, catalogue=backtest.catalogue, start=backtest.since, steps=steps, seed=backtest.seed
        )
        made = replay(period, known, demand)
        return Walked(replay=made, measures=measured(made, foresight(made, foresight_shares(made, scaled)), scaled))

    return walk


def with_history(fleet: Fleet, source: str, paths: Sequence[str]) -> Fleet:
    """The fleet with another history in place of its own."""
    change = {"source": source, "paths": tuple(paths)}
    return fleet.model_copy(update={"history": fleet.history.model_copy(update=change)})


def _scaled(fleet: Fleet, factor: float) -> Fleet:
    promises = {
        name: promise.model_copy(update={"violating_share": min(promise.violating_share * factor, 0.9)})
        for name, promise in fleet.qos.items()
    }
    return fleet.model_copy(update={"qos": promises})


def not_asked(backtest: FleetBacktest) -> tuple[str, ...]:
    """Notes on what the fleet file asks a cloud for and a replay takes from elsewhere, or leaves out."""
    notes = []
    if backtest.fleet.prices.source is PriceSource.AWS:
        notes.append(
            f"prices: a replay does not query AWS. It uses {backtest.catalogue.source} of "
            f"{backtest.catalogue.taken_on.isoformat()}. Set `prices.catalogue` to use other prices"
        )
    if backtest.fleet.tiers.warm.commitments_from == "aws":
        notes.append(
            "commitments: a replay does not ask what the account holds and counts none; list them under "
            "`tiers.warm.commitments` to count them"
        )
    return tuple(notes)


def summary(backtest: FleetBacktest, found: Walked, tolerance: Tolerance) -> dict[str, object]:
    """The document that `--json` writes and `--gate` reads."""
    return {
        "fleet": backtest.fleet.name,
        "from": backtest.since.isoformat(),
        "to": backtest.until.isoformat(),
        "seed": backtest.seed,
        **found.measures.to_json(),
        "tolerance": tolerance.model_dump(),
        "notes": [*not_asked(backtest), *found.replay.notes],
    }


def lines(found: Measures) -> list[str]:
    """The measures as sentences: one per class, then cost, then steps."""
    classes = [
        f"{c.name}: promised {c.promised_share:.3%}, obtained {c.obtained_share:.3%}, {c.violating_steps} violating steps, "
        f"longest run {c.longest_violating_run}"
        for c in found.classes
    ]
    return [
        *classes,
        f"cost {found.usd:.2f} USD ({found.usd_with_churn:.2f} with churn), foresight {found.usd_foresight:.2f}, "
        f"regret {found.regret:.1%}",
        f"{found.violating_steps} of {found.known_steps} steps violate; {found.scale_events} scale events, "
        f"{found.instances_moved} instances moved, {found.interrupted} interrupted",
    ]
