"""The features of a series that the tuning agent decides by: a few numbers, from the past only, independent of scale.

The reward is here as well, because the state holds the same measure of the days before: the pinball loss at the
quantiles that sizing uses, relative to a seasonal naive forecast of the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
from forecaster.models.naive import SeasonalNaive
from forecaster.series.conformal import dress
from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
#: The quantiles that sizes are chosen at.
SIZING_LEVELS = (0.9, 0.95, 0.99)
#: Days that count as recent in the state.
RECENT_DAYS = 7
#: What a second of computing per 1,000 forecast rows costs in reward: a slower configuration must be better by this.
SECONDS_PRICE = 0.01
#: A log ratio of losses beyond this says no more than this.
CAP = 2.0


@dataclass(frozen=True, kw_only=True)
class TunerState:
    """A series at the moment of a decision.

    Attributes:
        series: whose it is; what is learned online is kept per series. "" for none.
        step_seconds, horizon_steps: of the forecast.
        history_days: days of history.
        zeros: share of zero steps in the recent days.
        day_strength, week_strength: 1 - variance after / before removing the profile of the day or week, 0..1.
        drift: log of recent mean / mean of the four weeks before; 0 without them.
        spikes: log of the highest recent step / the recent mean.
        coverage_error: recent coverage of the 90 % interval minus 0.9; 0 when unknown.
        losses: recent loss at SIZING_LEVELS over the seasonal naive's, per model ("mix", "lstm"); absent when unknown.
    """

    series: str = ""
    step_seconds: int = 3600
    horizon_steps: int = 2
    history_days: float = 0.0
    zeros: float = 0.0
    day_strength: float = 0.0
    week_strength: float = 0.0
    drift: float = 0.0
    spikes: float = 0.0
    coverage_error: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"losses": dict(self.losses)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> TunerState:
        """What `to_json` gave; an unknown key is a ValueError."""
        known = {f.name for f in fields(TunerState)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown keys in a tuner state: {', '.join(sorted(unknown))}")
        return TunerState(**values)

    @property
    def group(self) -> str:
        """The class of series that results are told apart by: resolution or sparsity, and how far ahead.

        `sparse` half of the steps or more are zero; else `fine` for steps below 15 minutes, `coarse` for longer ones;
        `near` for less than half a day ahead, else `day`.
        """
        kind = "sparse" if self.zeros >= 0.5 else "fine" if self.step_seconds < 900 else "coarse"
        return f"{kind}/{distance(self.horizon_steps, self.step_seconds)}"


def distance(steps: int, step_seconds: int) -> str:
    """How far ahead a horizon lies: "near" for less than half a day, else "day"."""
    return "near" if steps * step_seconds < 43_200 else "day"


#: The classes; each has a column in `features`, so that what a rule per class can say the agent can say too.
GROUPS = tuple(f"{kind}/{ahead}" for kind in ("sparse", "fine", "coarse") for ahead in ("near", "day"))
#: Names of the columns of `features`, for tables.
FEATURES = (
    "one",
    "step",
    "ahead",
    "history",
    "zeros",
    "day",
    "week",
    "drift",
    "shift",
    "spikes",
    "coverage",
    "mix",
    "lstm",
    *GROUPS,
)


def features(state: TunerState) -> Floats:
    """(len(FEATURES),) of order one each, without measured units; the first is 1."""

    def loss(name: str) -> float:
        return float(np.clip(np.log(max(state.losses.get(name, 1.0), 1e-6)), -CAP, CAP))

    ahead = state.horizon_steps * state.step_seconds / 86_400
    return np.array(
        [
            1.0,
            np.clip(np.log(state.step_seconds / 3600.0) / 2.0, -2.0, 2.0),
            np.clip(np.log(max(ahead, 1e-3)) / 2.0 + 1.0, -2.0, 2.0),
            np.clip(np.log(max(state.history_days, 0.5) / 28.0), -2.0, 2.0),
            2.0 * state.zeros - 0.5,
            2.0 * state.day_strength - 1.0,
            2.0 * state.week_strength - 1.0,
            np.clip(state.drift, -2.0, 2.0),
            np.clip(abs(state.drift), 0.0, 2.0),
            np.clip(state.spikes - 1.0, -2.0, 3.0) / 2.0,
            np.clip(5.0 * state.coverage_error, -2.0, 2.0),
            loss("mix"),
            loss("lstm") if "lstm" in state.losses else loss("mix"),
            *(float(state.group == group) for group in GROUPS),
        ]
    )


def reference(stretch: Stretch, h: int, levels: tuple[float, ...]) -> Floats:
    """The seasonal naive's calibrated quantiles (n + h, levels) in requests: what losses are relative to."""
    season = "week" if stretch.week else "day" if stretch.day else "none"
    return dress(SeasonalNaive(season=season).ahead(stretch, h), stretch, h, np.asarray(levels))


def sizing_loss(truth: Floats, quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """(rows,) mean pinball loss at SIZING_LEVELS in requests; NaN where the truth or the forecast is."""
    which = [levels.index(level) for level in SIZING_LEVELS]
    return np.asarray(pinball(truth, quantiles[:, which], np.asarray(SIZING_LEVELS)).mean(axis=1))


def relative_loss(loss: Floats, of_reference: Floats) -> float:
    """Sum of losses over the reference's, on the rows where both are known; 1 where none is or both are zero."""
    both = np.isfinite(loss) & np.isfinite(of_reference)
    floor = 1e-3 * float(of_reference[both].mean() + 1e-12) if both.any() else 1.0
    if not both.any():
        return 1.0
    return float((loss[both].mean() + floor) / (of_reference[both].mean() + floor))


def reward(relative: float, *, seconds_per_thousand_rows: float) -> float:
    """Minus the log of the relative loss at the sizing quantiles, capped at ±CAP, minus the price of computing."""
    return float(-np.clip(np.log(max(relative, 1e-6)), -CAP, CAP) - SECONDS_PRICE * seconds_per_thousand_rows)


def state_of(
    stretch: Stretch,
    h: int,
    *,
    levels: tuple[float, ...],
    quantiles: Mapping[str, Floats],
    reference_quantiles: Floats | None = None,
    upto: int | None = None,
    series: str = "",
) -> TunerState:
    """The state before row `upto` (default: after the last row) of a stretch in requests.

    `quantiles` are prequential forecasts (n + h, levels) of the same horizon: "mix" of the configuration in use, "lstm"
    of the net; those that are missing count as no better than the naive. Reads rows < `upto` only.
    """
    end = len(stretch) if upto is None else upto
    day = max(1, round(86_400 / stretch.step))
    recent = slice(max(0, end - RECENT_DAYS * day), end)
    values, seen = stretch.values[:end], stretch.observed[:end]
    now = stretch.values[recent][stretch.observed[recent]]
    before = slice(max(0, recent.start - 28 * day), recent.start)
    past = stretch.values[before][stretch.observed[before]]
    mean = float(now.mean()) if len(now) else 0.0
    drift = float(np.log((mean + 1e-9) / (past.mean() + 1e-9))) if len(past) >= day and past.mean() > 0 else 0.0
    losses, coverage = {}, 0.0
    if quantiles:
        base = reference(stretch, h, levels) if reference_quantiles is None else reference_quantiles
        base_loss = sizing_loss(stretch.values[recent], base[recent], levels)
        for name, forecast in quantiles.items():
            loss = sizing_loss(stretch.values[recent], forecast[recent], levels)
            losses[name] = relative_loss(np.where(stretch.observed[recent], loss, np.nan), base_loss)
    if "mix" in quantiles:
        near = quantiles["mix"][recent]
        fine = stretch.observed[recent] & np.isfinite(near[:, 0])
        low, high = levels.index(0.05), levels.index(0.95)
        truth = stretch.values[recent]
        if fine.any():
            coverage = float(((truth >= near[:, low]) & (truth <= near[:, high]))[fine].mean() - 0.9)
    return TunerState(
        series=series,
        step_seconds=stretch.step,
        horizon_steps=h,
        history_days=end / day,
        zeros=float((now == 0).mean()) if len(now) else 0.0,
        day_strength=_strength(values, seen, day, keep=28),
        week_strength=_strength(values, seen, 7 * day, keep=6),
        drift=float(np.clip(drift, -5.0, 5.0)),
        spikes=float(np.log((now.max() + 1e-9) / (mean + 1e-9))) if len(now) and mean > 0 else 0.0,
        coverage_error=coverage,
        losses=losses,
    )


def _strength(values: Floats, seen: NDArray[np.bool_], season: int, *, keep: int) -> float:
    """1 - var(value - mean of the same phase) / var(value) over the newest `keep` seasons; 0 without two of them."""
    seasons = min(keep, len(values) // season)
    if season < 2 or seasons < 2:
        return 0.0
    rows = np.where(seen, values, np.nan)[-seasons * season :].reshape(seasons, season)
    rows = np.log1p(rows / (np.nanmean(rows) + 1e-9)) if np.isfinite(rows).any() else np.zeros((seasons, season))
    known = np.where(np.isfinite(rows), rows, np.nanmean(rows))
    total = float(known.var())
    if total <= 0:
        return 0.0
    # The mean of k seasons takes 1/k of the noise with it.
    left = float((known - known.mean(axis=0)).var()) * seasons / (seasons - 1)
    return float(np.clip(1.0 - left / total, 0.0, 1.0))
