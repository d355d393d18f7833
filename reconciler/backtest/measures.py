"""Measures of a replay: cost, obtained shares by class, regret, elasticity, churn. Pure.

Elasticity is SPEC's (Herbst, Kounev & Reussner 2013; Bauer et al., Chameleon): θ is how far, τ how long, U under and O over
what was needed, in per cent; instability is the share of steps in which supply moves another way than the need. Supply and
need are vCPU over all tiers, the need being what foresight had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from reconciler.backtest.foresight import Foresight
from reconciler.backtest.realised import longest_run
from reconciler.backtest.replay import FleetReplay
from reconciler.fleet.file import Fleet

Floats = NDArray[np.float64]

#: Version of the summary's keys; an older summary is lifted where it is read (`gate`).
SUMMARY_VERSION = 2
#: Share of a step's requests below which nothing counts as missed.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, kw_only=True)
class ClassMeasures:
    """Promised and obtained share of late requests, steps with any late request and the longest run of them."""

    name: str
    promised_share: float
    obtained_share: float
    violating_steps: int
    longest_violating_run: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """All of a replay; `known_steps` are those whose demand is known, the only ones that violations count.

    usd: billed from launch, with what is sunk; usd_with_churn: each start and stop priced as the sizing prices it;
    usd_foresight and regret: see `foresight`. interrupted: spot instances taken. scale_events: changes of an option's count.
    """

    steps: int
    known_steps: int
    usd: float
    usd_with_churn: float
    usd_foresight: float
    regret: float
    classes: tuple[ClassMeasures, ...]
    violating_steps: int
    longest_violating_run: int
    theta_U: float  # noqa: N815
    theta_O: float  # noqa: N815
    tau_U: float  # noqa: N815
    tau_O: float  # noqa: N815
    instability: float
    scale_events: int
    instances_moved: int
    interrupted: int

    def to_json(self) -> dict[str, object]:
        """Plain values for the summary file, with the version of its keys."""
        return {"version": SUMMARY_VERSION, **asdict(self)}


def obtained_shares(walked: FleetReplay, names: tuple[str, ...]) -> dict[str, float]:
    """Class → share of its requests that was late."""
    arrived = {n: sum(s.rates.get(n, 0.0) for s in walked.steps) for n in names}
    missed = {n: sum(s.unserved.get(n, 0.0) for s in walked.steps) for n in names}
    return {n: missed[n] / arrived[n] if arrived[n] > 0 else 0.0 for n in names}


def foresight_shares(walked: FleetReplay, fleet: Fleet) -> dict[str, float]:
    """Class → the share that foresight may leave unserved: the promised or the obtained one, whichever is larger."""
    got = obtained_shares(walked, tuple(fleet.qos))
    return {name: max(promise.violating_share, got[name]) for name, promise in fleet.qos.items()}


def measured(walked: FleetReplay, best: Foresight, fleet: Fleet) -> Measures:
    """The measures of a replay against what foresight had."""
    got = obtained_shares(walked, tuple(fleet.qos))
    marks = {
        name: [s.unserved.get(name, 0.0) > NEGLIGIBLE * max(s.rates.get(name, 0.0), 1e-12) for s in walked.steps]
        for name in fleet.qos
    }
    either = [any(row) for row in zip(*marks.values(), strict=True)]
    spent, limit = sum(s.usd for s in walked.steps), sum(best.usd)
    price = {o.name: o.usd_per_hour for o in walked.options}
    pause = walked.problems[0].switch_seconds / 3600 if walked.problems else 0.0
    churn = sum(abs(n) * price[name] * pause for s in walked.steps for name, n in s.moved.items())
    known = np.array([bool(s.rates) for s in walked.steps])
    vcpu = {o.name: o.vcpu for o in walked.options}
    have = np.array([_vcpu(s.ready, vcpu) for s in walked.steps])[known]
    need = np.array([_vcpu(c, vcpu) for c in best.counts])[known]
    return Measures(
        steps=len(walked.steps),
        known_steps=int(known.sum()),
        usd=spent,
        usd_with_churn=spent + churn,
        usd_foresight=limit,
        regret=spent / limit - 1 if limit > 0 else 0.0,
        classes=tuple(
            ClassMeasures(
                name=name,
                promised_share=promise.violating_share,
                obtained_share=got[name],
                violating_steps=sum(marks[name]),
                longest_violating_run=longest_run(marks[name]),
            )
            for name, promise in fleet.qos.items()
        ),
        violating_steps=sum(either),
        longest_violating_run=longest_run(either),
        **elasticity(need, have),
        scale_events=sum(n != 0 for s in walked.steps for n in s.moved.values()),
        instances_moved=sum(abs(n) for s in walked.steps for n in s.moved.values()),
        interrupted=sum(s.interrupted for s in walked.steps),
    )


def elasticity(need: Floats, have: Floats) -> dict[str, float]:
    """SPEC's five figures in per cent of `need` and of time; both (steps,), same unit."""
    names = ("theta_U", "theta_O", "tau_U", "tau_O", "instability")
    if not len(need):
        return dict.fromkeys(names, 0.0)
    base = np.where(need > 0, need, 1.0)
    moves = np.sign(np.diff(need)) != np.sign(np.diff(have))
    figures = (
        np.mean(np.maximum(need - have, 0) / base),
        np.mean(np.maximum(have - need, 0) / base),
        np.mean(have < need),
        np.mean(have > need),
        np.mean(moves) if len(moves) else 0.0,
    )
    return {name: float(100 * figure) for name, figure in zip(names, figures, strict=True)}


def _vcpu(counts: Mapping[str, int], each: Mapping[str, float]) -> float:
    return float(sum(each[name] * n for name, n in counts.items()))
