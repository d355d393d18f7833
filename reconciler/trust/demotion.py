"""Demotion: sizing uses a simpler forecast when the current one fails its tests, and returns when it passes them again.

    model ──fails──► seasonal naive ──fails──► reactive        (every rung is always scored, also when it is not in use)

Two sequential tests watch every rung, as e-detectors (Shin, Ramdas & Rinaldo, "E-detectors", 2023): with e_t ≥ 0 and
E[e_t | past] ≤ 1 while all is well, the Shiryaev–Roberts statistic

    R_t = (R_{t−1} + 1) · e_t,   alarm at R_t ≥ A,   has a mean time to a false alarm of at least A observations,

whatever the distribution and however often one looks. A = 90 days of observations × 2 tests × the family's size gives
at most one false alarm per series in 90 days over both tests together (and per family where asked).

    coverage   e = Σ_λ w_λ (1 + λ (miss − tolerated))                   misses more often than the interval may
    loss       e = Σ_λ w_λ (1 + λ (l_model − l_reactive)/(l_model + l_reactive))      worse than the reactive baseline

Forecasts `lag` steps ahead overlap, so that neighbours fail together; observations are dealt to `lag` detectors in
turn, each of which sees steps that do not overlap, and their statistics are averaged. Recovery is the same test the
other way round, with a lower threshold and after a minimum stay: hysteresis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import IntEnum
from typing import Any

from reconciler.trust import reasons as because

#: Bets λ over which the e-values are mixed, equally: small ones find slow decay, large ones a sudden break.
_BETS = (0.1, 0.3, 0.9)

_STATISTICS = ("coverage", "loss", "coverage_back", "loss_back")


class Rung(IntEnum):
    """The forecast that sizing uses."""

    MODEL = 0
    SEASONAL_NAIVE = 1
    REACTIVE = 2

    @property
    def label(self) -> str:
        """In words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class DemotionRules:
    """When to fall back and when to return.

    Attributes:
        nominal: share of steps that the watched interval should cover.
        slack: miscoverage above 1 − nominal that is tolerated.
        steps_per_day, lag: of the observations.
        false_alarm_days: least mean days between false alarms.
        family: number of series that share one alarm budget (1: every series has its own).
        recovery_days: least mean days until a rung that still fails would return by chance.
        stay: least time on a lower rung.
        max_age: age of the newest data from which seasonal naive is used.
        reactive_age: age of the newest data from which the observed sizes are kept.
    """

    nominal: float = 0.9
    slack: float = 0.05
    steps_per_day: float = 288.0
    lag: int = 2
    false_alarm_days: float = 90.0
    family: int = 1
    recovery_days: float = 14.0
    stay: timedelta = timedelta(hours=12)
    max_age: timedelta = timedelta(hours=1)
    reactive_age: timedelta = timedelta(hours=24)

    @property
    def threshold(self) -> float:
        """A: observations per false alarm, over two tests and the family."""
        return self.false_alarm_days * self.steps_per_day * 2 * self.family

    @property
    def tolerated(self) -> float:
        """Share of misses that still counts as well."""
        return min(1 - self.nominal + self.slack, 0.95)


@dataclass(frozen=True, kw_only=True)
class StepScore:
    """How one rung's forecast of one step did: whether the interval held the value, and pinball losses (same units)."""

    covered: bool
    loss: float
    reactive_loss: float


@dataclass(frozen=True, kw_only=True)
class Watch:
    """State of one rung's tests: per lag and per bet the statistics; all numbers, so that it can be kept as JSON."""

    seen: int = 0
    coverage: tuple[tuple[float, ...], ...] = ()
    loss: tuple[tuple[float, ...], ...] = ()
    coverage_back: tuple[tuple[float, ...], ...] = ()
    loss_back: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trust:
    """State of one series: the rung in use, how long (steps), why, and the watches by rung."""

    rung: Rung = Rung.MODEL
    steps_there: int = 0
    why: str = ""
    watches: Mapping[Rung, Watch] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RungDecision:
    """What to work from now. `reason` is empty on the model; `may_shrink` is False on any fallback."""

    rung: Rung
    reason: str = ""

    @property
    def may_shrink(self) -> bool:
        """Whether scale-downs are allowed: only on the model's forecast."""
        return self.rung is Rung.MODEL


def observe(trust: Trust, scores: Mapping[Rung, StepScore], rules: DemotionRules) -> Trust:
    """Take in one step's scores of the rungs that gave a forecast, and move at most one rung down or up.

    A rung falls when a test of it alarms. The rung above returns when, after the minimum stay, both recovery tests have
    their evidence; all its statistics then start anew.
    """
    watches = dict(trust.watches)
    for rung, score in scores.items():
        if rung is not Rung.REACTIVE:
            watches[rung] = _watched(watches.get(rung, Watch()), score, rules)
    trust = replace(trust, watches=watches, steps_there=trust.steps_there + 1)
    current = watches.get(trust.rung)
    if current is not None:
        failed = _failure(current, rules)
        if failed:
            below = Rung(trust.rung + 1)
            watches[trust.rung] = replace(current, coverage_back=(), loss_back=())
            watches.pop(below, None)
            return Trust(rung=below, why=because.failed(trust.rung.label, failed), watches=watches)
    stay = rules.stay.total_seconds() / 86400 * rules.steps_per_day
    if trust.rung is not Rung.MODEL and trust.steps_there >= stay:
        above = Rung(trust.rung - 1)
        watch = watches.get(above)
        if watch is not None and _recovered(watch, rules):
            watches.pop(above)
            return Trust(rung=above, why=trust.why if above is not Rung.MODEL else "", watches=watches)
    return trust


def decide(trust: Trust, rules: DemotionRules, *, age: timedelta | None, has_season: bool = True) -> RungDecision:
    """What to work from, given also the age of the newest data (None: the source does not answer).

    Returns:
        The lowest rung that any of this asks for, with the sentence for the plan.
    """
    if age is None:
        return RungDecision(rung=Rung.REACTIVE, reason=because.source_silent())
    if age > rules.reactive_age or (age > rules.max_age and not has_season):
        return RungDecision(rung=Rung.REACTIVE, reason=because.data_too_old(age))
    if age > rules.max_age and trust.rung < Rung.SEASONAL_NAIVE:
        return RungDecision(rung=Rung.SEASONAL_NAIVE, reason=because.data_old(age, most=rules.max_age))
    rung = trust.rung if has_season or trust.rung is not Rung.SEASONAL_NAIVE else Rung.REACTIVE
    return RungDecision(rung=rung, reason=f"{trust.why}." if rung is not Rung.MODEL else "")


def to_json(trust: Trust) -> dict[str, Any]:
    """Plain values to keep between runs."""
    return {
        "rung": trust.rung.name,
        "steps_there": trust.steps_there,
        "why": trust.why,
        "watches": {rung.name: asdict(watch) for rung, watch in sorted(trust.watches.items())},
    }


def from_json(raw: Mapping[str, Any]) -> Trust:
    """The state that `to_json` wrote; an unreadable one starts anew on the model, which the tests then judge."""
    try:
        watches = {
            Rung[name]: Watch(
                seen=int(w["seen"]),
                **{k: tuple(tuple(map(float, row)) for row in w[k]) for k in _STATISTICS},
            )
            for name, w in raw["watches"].items()
        }
        return Trust(rung=Rung[raw["rung"]], steps_there=int(raw["steps_there"]), why=str(raw["why"]), watches=watches)
    except (KeyError, TypeError, ValueError):
        return Trust()


def _watched(watch: Watch, score: StepScore, rules: DemotionRules) -> Watch:
    """All four statistics with one more observation, in the lag's turn."""
    turn = watch.seen % rules.lag
    surprise = float(not score.covered) - rules.tolerated
    total = score.loss + score.reactive_loss
    worse = (score.loss - score.reactive_loss) / total if total > 0 else 0.0
    return Watch(
        seen=watch.seen + 1,
        coverage=_bet(watch.coverage, turn, surprise, rules.lag),
        loss=_bet(watch.loss, turn, worse, rules.lag),
        # Back means clearly well: misses below what is tolerated, loss below the baseline's.
        coverage_back=_bet(watch.coverage_back, turn, -surprise, rules.lag),
        loss_back=_bet(watch.loss_back, turn, -worse, rules.lag),
    )


def _bet(
    statistics: tuple[tuple[float, ...], ...], turn: int, payoff: float, lag: int
) -> tuple[tuple[float, ...], ...]:
    """(lag, bets) Shiryaev–Roberts statistics; the one whose turn it is grows by 1 + λ·payoff."""
    rows = list(statistics) or [(0.0,) * len(_BETS)] * lag
    rows[turn] = tuple((r + 1) * max(1 + bet * payoff, 0.0) for r, bet in zip(rows[turn], _BETS, strict=True))
    return tuple(rows)


def _evidence(statistics: tuple[tuple[float, ...], ...]) -> float:
    """Mean over lags and bets, times the lags: in observations of the series, as the threshold is."""
    if not statistics:
        return 0.0
    return sum(map(sum, statistics)) / len(_BETS)


def _failure(watch: Watch, rules: DemotionRules) -> str:
    if _evidence(watch.coverage) >= rules.threshold:
        return because.interval_misses(nominal=rules.nominal, tolerated=rules.tolerated)
    if _evidence(watch.loss) >= rules.threshold:
        return because.loss_above_baseline()
    return ""


def _recovered(watch: Watch, rules: DemotionRules) -> bool:
    # A detector restarts by itself: an old failure does not weigh on it for ever.
    needed = rules.recovery_days * rules.steps_per_day
    return _evidence(watch.coverage_back) >= needed and _evidence(watch.loss_back) >= needed
