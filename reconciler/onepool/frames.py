"""A pool's backtest: every application walked, as the frames and the measures that the command writes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from forecaster.demand import LEVELS
from forecaster.history.history import History
from forecaster.models.lstm import pretrained
from forecaster.rolling.walk import AheadForecast, walk
from forecaster.series.forecast import SeriesInput
from forecaster.series.knots import Pipeline
from reconciler.onepool.replay import measured, pooled
from reconciler.onepool.walk import Allocation, allocate, at_risk, table


@dataclass(frozen=True, kw_only=True)
class PoolBacktest:
    """What a pool is walked with.

    unit: requests that one instance serves in a step. lead: steps that an instance takes to boot. promises, risks: pairs
    of the label in names of files and the share in (0, 1). start: first row that is decided, the rows before it train.
    """

    unit: float
    lead: int
    promises: tuple[tuple[str, float], ...]
    risks: tuple[tuple[str, float], ...]
    start: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the settings, in the order of `PoolWalked.allocations`."""
        return (*(label for label, _ in self.promises), *(f"risk-{label}" for label, _ in self.risks))


@dataclass(frozen=True, kw_only=True)
class PoolRow:
    """The measures of one application under one setting; see `measured` for what they are."""

    application: str
    setting: str
    measures: dict[str, float | None]

    def to_json(self) -> dict[str, object]:
        """Plain values for the summary file."""
        return {"application": self.application, "setting": self.setting, **self.measures}

    def line(self) -> str:
        """The row as one sentence."""
        found = self.measures
        return (
            f"{self.application}: {self.setting}, obtained {found['obtained_share']:.3%}, cost {found['cost']:.0f} "
            f"instance-steps, regret {found['regret']:.1%}, {found['violating_steps']} violating steps"
        )


@dataclass(frozen=True, kw_only=True)
class PoolWalked:
    """By label: timestamp, application_id, count; and the measures of every application and label."""

    allocations: dict[str, pd.DataFrame]
    rows: tuple[PoolRow, ...]


def walk_pool(backtest: PoolBacktest, history: History) -> PoolWalked:
    """Decide the count of every step from `backtest.start` on, 1 + `lead` steps before it, for each application and setting."""
    times, stamps = _times(history), _stamps(backtest, history)
    shares, step = [share for _, share in backtest.promises], history.step
    frames: dict[str, list[pd.DataFrame]] = {label: [] for label in backtest.labels}
    rows = []
    for name, y in pooled(history).items():
        chosen = table(y, times, step=step, lead=backtest.lead, unit=backtest.unit, start=backtest.start)
        made = allocate(
            y, chosen, promised_shares=shares, step=step, lead=backtest.lead, unit=backtest.unit, start=backtest.start
        )
        made += [at_risk(chosen, risk, start=backtest.start) for _, risk in backtest.risks]
        for label, one in zip(backtest.labels, made, strict=True):
            frames[label].append(_counts(name, one, stamps[backtest.start : backtest.start + len(one.counts)]))
            rows.append(
                PoolRow(
                    application=name,
                    setting=label,
                    measures=measured(y[backtest.start :], one, backtest.unit, backtest.lead),
                )
            )
    return PoolWalked(allocations={label: pd.concat(parts) for label, parts in frames.items()}, rows=tuple(rows))


def pool_forecasts(backtest: PoolBacktest, history: History) -> pd.DataFrame:
    """timestamp, application_id, cutoff, quantile, value: 1 + `lead` steps and 24 hours ahead of every step."""
    times, stamps = _times(history), _stamps(backtest, history)
    parts = []
    for name, y in pooled(history).items():
        series = SeriesInput(values=y, times=times, step=history.step)
        ahead = walk(
            series, lead=backtest.lead, start=backtest.start, pipeline=Pipeline(quantile_models=(pretrained(),))
        )
        parts += [_quantiles(name, part, stamps) for part in (ahead.near, ahead.day) if part is not None]
    return pd.concat(parts)


def _times(history: History) -> np.ndarray:
    return history.index.tz_localize(None).to_numpy()


def _stamps(backtest: PoolBacktest, history: History) -> np.ndarray:
    """Starts of the history's steps and of those beyond it that can be forecast."""
    count = history.length + 1 + backtest.lead + round(timedelta(days=1) / history.step)
    at = pd.date_range(history.start, periods=count, freq=history.step)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ").to_numpy()


def _counts(name: str, one: Allocation, stamps: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"timestamp": stamps, "application_id": name, "count": one.counts})


def _quantiles(name: str, part: AheadForecast, stamps: np.ndarray) -> pd.DataFrame:
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
