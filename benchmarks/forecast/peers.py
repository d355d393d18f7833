"""The libraries that people would take: statsforecast's models and the seasonal naive, rolled over the test stretch.

A peer is fitted once on the training and then carried forward with the parameters held (`forward`): a fit at every origin
would take days. MSTL keeps the seasons of the training's decomposition, their last cycle repeated, and carries its trend
model forward; that is a millisecond instead of a decomposition per step. Seasons above 24 steps are left to MSTL alone:
statsforecast's ETS, ARIMA and Theta ignore them or need minutes a series. AutoARIMA searches the reduced space
(orders ≤ 3, seasonal ≤ 1, approximation); the default search takes about thirty times as long for little.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace
from benchmarks.forecast.measures import GRID, at
from benchmarks.memory import peak_above

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
#: Interval widths in percent whose ends are GRID, the median apart.
WIDTHS = (98, *range(90, 0, -10))
#: Longest season that ETS, ARIMA and Theta are given.
LONGEST_SEASON = 24
#: Rows of the newest past that an ARIMA state is filtered from; older ones no longer move it.
ARIMA_ROWS = 1500
#: Raised when a peer's protocol changes, so that no cached forecast of the old one is read.
PROTOCOL = 3


@dataclass(frozen=True, kw_only=True)
class Rolled:
    """A contender on one trace.

    `near` and `day` (rows, len(GRID)) quantiles of the asked rows, `joint` (origins, steps, len(GRID)) marginals of the steps
    after each joint origin. `fit`, `update` seconds to fit and to move one origin on; `memory` MiB on top of the start.
    """

    near: Floats
    day: Floats
    joint: Floats
    fit: float
    update: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is forecast of a trace: rows two steps ahead, rows 24 h ahead, and origins of `steps` joint steps."""

    h: int
    near: Rows
    day: Rows
    joint: Rows
    steps: int


def targets_of(trace: Trace, *, lead: int = 1, most: int | None = None, joint: int = 0, steps: int = 6) -> Targets:
    """The field's origins: every step for 1 + lead ahead, hourly for 24 h. `most`: an even choice of that many of each."""
    h, hour = 1 + lead, max(1, trace.day // 24)
    near = np.arange(trace.cut, len(trace.values))
    day = np.arange(max(trace.cut - h, 0) + trace.day, len(trace.values), hour)
    origins = np.linspace(trace.cut - 1, len(trace.values) - steps - 1, joint).astype(np.int64)
    return Targets(h=h, near=_even(near, most), day=_even(day, most), joint=np.unique(origins), steps=steps)


def _even(rows: Rows, most: int | None) -> Rows:
    return rows if most is None or len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def seasonal_naive(trace: Trace, targets: Targets) -> Rolled:
    """The same time a season ago plus the empirical quantiles of the training's residuals, at least zero."""
    begun = time.perf_counter()
    y, season, cut = trace.filled, trace.season, trace.cut
    residuals = y[season:cut] - y[: cut - season] if cut > season else y[:cut] - y[:cut].mean()
    offsets = np.quantile(residuals, GRID)

    def ahead(rows: Rows, h: int) -> Floats:
        past = np.maximum(rows - season * -(-h // season), 0)
        return np.maximum(y[past][:, None] + offsets, 0.0)

    fit = time.perf_counter() - begun
    joint = [ahead(o + 1 + np.arange(targets.steps), targets.steps) for o in targets.joint]
    return Rolled(
        near=ahead(targets.near, targets.h),
        day=ahead(targets.day, trace.day),
        joint=np.array(joint).reshape(-1, targets.steps, len(GRID)),
        fit=fit,
        update=0.0,
        memory=0.0,
    )


def _arima(season: int) -> Any:
    from statsforecast.models import AutoARIMA

    return AutoARIMA(season_length=season, max_p=3, max_q=3, max_P=1, max_Q=1, approximation=True)


def _ets(season: int) -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=season)


def _theta(season: int) -> Any:
    from statsforecast.models import AutoTheta

    return AutoTheta(season_length=season)


def _mstl(trend: Callable[[], Any]) -> Callable[[list[int]], Any]:
    def make(seasons: list[int]) -> Any:
        from statsforecast.models import MSTL

        return MSTL(season_length=seasons, trend_forecaster=trend())

    return make


def _plain_arima() -> Any:
    from statsforecast.models import AutoARIMA

    return AutoARIMA(max_p=3, max_q=3, approximation=True)


def _plain_ets() -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(model="ZZN")


SINGLE: Mapping[str, Callable[[int], Any]] = {"AutoARIMA": _arima, "AutoETS": _ets, "AutoTheta": _theta}
DECOMPOSED: Mapping[str, Callable[[list[int]], Any]] = {
    "MSTL-ARIMA": _mstl(_plain_arima),
    "MSTL-ETS": _mstl(_plain_ets),
}
LIBRARY = (*SINGLE, *DECOMPOSED)


def fitted(name: str, values: Floats, day: int) -> tuple[Any, Callable[[int], Floats]]:
    """A library's model of the training `values` (n,) and its seasonal part as a function of length, zeros for most."""
    if name in SINGLE:
        model = SINGLE[name](day if 1 < day <= LONGEST_SEASON else 1).fit(values)
        return model, np.zeros
    seasons = [s for s in (day, 7 * day) if len(values) >= 2 * s] or [day]
    whole = DECOMPOSED[name](seasons).fit(values)
    frame = whole.model_
    parts = [frame[c].to_numpy() for c in frame.columns if c.startswith("seasonal")]

    def season(length: int) -> Floats:
        total = np.zeros(length)
        for part, period in zip(parts, seasons, strict=True):
            tail = np.resize(part[-period:], max(0, length - len(part)))
            total += np.concatenate([part, tail])[:length]
        return total

    return whole.trend_forecaster, season


def rolled(name: str, trace: Trace, targets: Targets) -> Rolled:
    """Fit on the training, then forecast from every origin that the targets ask for."""
    y, n = trace.filled, len(trace.values)
    with warnings.catch_warnings(), peak_above() as memory:
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        model, season = fitted(name, y[: trace.cut], trace.day)
        fit = time.perf_counter() - begun
        seasonal = season(n + trace.day)
        flat = y - seasonal[:n]
        wanted: dict[int, int] = dict.fromkeys((targets.near - targets.h).tolist(), targets.h)
        wanted |= {o: max(targets.steps, wanted.get(o, 0)) for o in targets.joint.tolist()}
        wanted |= dict.fromkeys((targets.day - trace.day).tolist(), trace.day)
        made: dict[int, Floats] = {}
        begun = time.perf_counter()
        for origin, h in wanted.items():
            first = max(0, origin + 1 - ARIMA_ROWS) if name.endswith("ARIMA") else 0
            said = model.forward(flat[first : origin + 1], h=h, level=list(WIDTHS))
            made[origin] = np.maximum(_quantiles(said) + seasonal[origin + 1 : origin + 1 + h, None], 0.0)
        update = (time.perf_counter() - begun) / max(1, len(wanted))
    near = np.array([made[t - targets.h][targets.h - 1] for t in targets.near.tolist()])
    day = np.array([made[t - trace.day][trace.day - 1] for t in targets.day.tolist()])
    joint = np.array([made[o][: targets.steps] for o in targets.joint.tolist()])
    return Rolled(
        near=near,
        day=day.reshape(-1, len(GRID)),
        joint=joint.reshape(-1, targets.steps, len(GRID)),
        fit=fit,
        update=update,
        memory=memory(),
    )


def _quantiles(said: Mapping[str, Floats]) -> Floats:
    """(h, len(GRID)) of statsforecast's intervals; the mean stands for the median, as all are symmetric."""
    out = np.empty((len(said["mean"]), len(GRID)))
    out[:, at(0.5)] = said["mean"]
    for width in WIDTHS:
        out[:, at(round((100 - width) / 200, 2))] = said[f"lo-{width}"]
        out[:, at(round((100 + width) / 200, 2))] = said[f"hi-{width}"]
    return np.asarray(np.sort(out, axis=1))


def cached(name: str, trace: Trace, targets: Targets, folder: Path | None) -> Rolled:
    """`rolled`, kept on disk under a digest of all that it follows from: values, targets, protocol, library version."""
    if folder is None:
        return rolled(name, trace, targets)
    digest = hashlib.sha256(f"{PROTOCOL} {name} {version('statsforecast')} {trace.step} {trace.cut}".encode())
    for array in (trace.values, targets.near, targets.day, targets.joint, np.array([targets.h, targets.steps])):
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder / f"{digest.hexdigest()[:32]}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            fit, update, memory = kept["cost"].tolist()
            return Rolled(
                near=kept["near"], day=kept["day"], joint=kept["joint"], fit=fit, update=update, memory=memory
            )
    made = rolled(name, trace, targets)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    cost = np.array([made.fit, made.update, made.memory])
    np.savez_compressed(part, near=made.near, day=made.day, joint=made.joint, cost=cost)
    part.replace(path)
    return made


def warmed() -> None:
    """Compile and import what the first fit would otherwise pay for."""
    noise = 10 + np.sin(np.arange(24 * 16) * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 0.1, 24 * 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARY:
            fitted(name, noise, 24)[0].forward(noise, h=2, level=[90])
