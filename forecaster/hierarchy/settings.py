"""How a forecaster of many series works: what is forecast together, which series are modelled, when they are fitted again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from forecaster.calendar.clock import DemandCalendar
from forecaster.hierarchy.warm_start import WarmStart

#: From user and application to (node, label): what is forecast together, and the tier or class it belongs to.
NodeOf = Callable[[str, str], tuple[str, str]]


def by_application(user: str, application: str) -> tuple[str, str]:  # noqa: ARG001
    """The default nodes: applications, all of one label."""
    return application, "all"


@dataclass(frozen=True, kw_only=True)
class RefitRules:
    """When a series is fitted anew.

    `every` by schedule; `coverage` when its 90 % interval held less than this share of the last steps; `bias` when demand
    came in beyond this level (or below 1 − it) on average: a level shift or other drift. Both want `seen` scored steps.
    """

    every: timedelta = timedelta(days=7)
    coverage: float = 0.75
    bias: float = 0.85
    seen: float = 24.0


@dataclass(frozen=True, kw_only=True)
class PlbmSettings:
    """How a PLBM works.

    Attributes:
        horizon: steps that `forecast` looks ahead.
        paths: joint sample paths.
        seed: of all random numbers.
        calendar: local clock, holidays, events, excluded stretches.
        keep: how much history is kept.
        most: nodes that are modelled by themselves at most: those with the largest mean demand. The others of a label
            share one series.
        alone: where more than 64 nodes would be modelled by themselves, the requests per step, on average since the first
            (and over a day at least), that a node needs for it.
        big_pairs: pairs of user and application that are modelled by themselves at most.
        default_level: requests per step expected of a series when nothing at all is known.
        refit: when a series is fitted anew.
        lstm: ask the global net as well.
        warm: when the net is trained on the panel; None: never.
        tune: let the tuning agent choose and learn, where its backtests say that it wins.
    """

    horizon: int = 24
    paths: int = 1000
    seed: int = 0
    calendar: DemandCalendar = field(default_factory=DemandCalendar)
    keep: timedelta = timedelta(weeks=16)
    alone: float = 1.0
    most: int = 500
    big_pairs: int = 20
    default_level: float = 1.0
    refit: RefitRules = field(default_factory=RefitRules)
    lstm: bool = True
    warm: WarmStart | None = field(default_factory=WarmStart)
    tune: bool = True
