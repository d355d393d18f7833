"""Backtests for the tuning agent: every action on every series, as an offline data set of states and rewards.

Each series is walked under every action; its second half is cut into segments of two days, and the reward of an action
in a segment is what `forecaster.tuner.state.reward` says. Because the pipeline recomputes its forecasts from history,
a segment under an action is the same whatever was chosen before it: all rewards of all actions are known, and a policy
can be replayed on them exactly.

The net of the tune half is cross-fitted: pretrained without the sources of the series it forecasts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import declared_split, load
from benchmarks.forecast.lstm_pool import flight_pairs, machines, pretrain
from forecaster.demand import LEVELS
from forecaster.models.base import QuantileModel, Stretch, stretch_of
from forecaster.models.features import seasons_of
from forecaster.models.lstm import QuantileLstm, Training, dump, parse, pretrained
from forecaster.models.lstm_features import Grid
from forecaster.series.knots import Pipeline, Prequential, prequential
from forecaster.tuner import ACTIONS, PipelineSettings, TunerState, computing, state_of
from forecaster.tuner.state import reference, relative_loss, reward, sizing_loss

Floats = NDArray[np.float64]
DAY = 86_400
SEGMENT_DAYS = 2
#: Longest part of a series that is walked, in days, and the fewest that say anything.
LONGEST_DAYS, FEWEST_DAYS = 56, 7
#: Series of the panel and of the virtual machines that join each half.
EXTRA = 8
#: Sources whose tune series the first cross-fitted net forecasts; the second forecasts the others.
FOLD = frozenset({"wikimedia", "nyc", "tweets", "alibaba2018", "vm"})
SOURCES = FOLD | {"usask", "msft", "panel", "aws", "google2019"}


@dataclass(frozen=True, kw_only=True)
class TunerCase:
    """One series to be walked, `half` "tune" or "unseen"."""

    name: str
    source: str
    half: str
    grid: Grid


@dataclass(frozen=True, kw_only=True)
class TunerReplay:
    """One series at one horizon under all actions.

    `states[t][p]` is the state at segment t when action p was in force before; `rewards` (segments, actions).
    """

    name: str
    source: str
    half: str
    horizon: int
    states: tuple[tuple[TunerState, ...], ...]
    rewards: Floats

    @property
    def group(self) -> str:
        """The class of the series, by its first state."""
        return self.states[0][0].group


def cases(folder: Path) -> Iterator[TunerCase]:
    """The series of both halves of `split.json`, and pairs and machines that the net saw (tune) or never."""
    split = declared_split()
    for half, names in (("tune", split["tune"]), ("unseen", split["judge"])):
        for trace in load([n for n in names if not n.startswith("bitbrains")], folder):
            step = int(trace.step.total_seconds())
            grid = Grid(values=trace.values, start=int(trace.index[0].timestamp()), step=step)
            yield TunerCase(name=trace.name, source=trace.source, half=half, grid=grid)
    for source, parts in (("panel", flight_pairs(folder)), ("vm", machines(folder))):
        # Busy ones: a pair with a flight a month has nothing to forecast.
        busy = sorted(parts, key=lambda p: (-float(np.nansum(p.grid.values > 0)), p.name))[: 6 * EXTRA : 3]
        for half, even in (("tune", True), ("unseen", False)):
            for part in [p for p in busy if p.even == even][:EXTRA]:
                yield TunerCase(name=part.name, source=source, half=half, grid=part.grid)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """An expert's forecasts, computed once and shared by the actions."""

    name: str
    quantiles: Floats

    def quantiles_ahead(self, stretch: Stretch, h: int, levels: tuple[float, ...]) -> Floats:
        """See `base.QuantileModel`."""
        del stretch, h, levels
        return self.quantiles


def replay(
    case: TunerCase, horizon: int, net: QuantileModel, actions: Sequence[PipelineSettings] = ACTIONS
) -> TunerReplay | None:
    """The series under every action; None where it is too short or empty in the part that counts."""
    grid = case.grid
    day = DAY // grid.step
    values = grid.values[-LONGEST_DAYS * day :]
    start = grid.start + (len(grid.values) - len(values)) * grid.step
    segment = SEGMENT_DAYS * day
    first = len(values) // 2
    begins = range(first, len(values) - segment + 1, segment)
    if len(values) < FEWEST_DAYS * day or len(begins) < 2 or not np.nansum(values[first:]) > 0:
        return None
    stretch = stretch_of(values, start=start, step=grid.step, seasons=seasons_of(grid.step), trained=first)
    base = reference(stretch, horizon, LEVELS)
    of_base = np.where(stretch.observed, sizing_loss(values, base[: len(values)], LEVELS), np.nan)
    kept: dict[tuple[str, ...], _Kept] = {}
    lstm = _Kept(name=net.name, quantiles=net.quantiles_ahead(stretch, horizon, LEVELS))
    runs = [_run(stretch, horizon, action, lstm, kept) for action in actions]
    states, rewards = [], []
    for begin in begins:
        rows = slice(begin, begin + segment)
        losses = [
            np.where(stretch.observed, sizing_loss(values, run.quantiles[: len(values)], LEVELS), np.nan)
            for run in runs
        ]
        rewards.append(
            [
                reward(relative_loss(loss[rows], of_base[rows]), seconds_per_thousand_rows=computing(run.names))
                for loss, run in zip(losses, runs, strict=True)
            ]
        )
        # What is known when the segment begins: steps that ended `horizon` before its first row.
        known = begin - horizon + 1
        states.append(
            tuple(
                state_of(
                    stretch,
                    horizon,
                    levels=LEVELS,
                    quantiles={"mix": run.quantiles, "lstm": lstm.quantiles},
                    reference_quantiles=base,
                    upto=known,
                    series=case.name,
                )
                for run in runs
            )
        )
    return TunerReplay(
        name=case.name,
        source=case.source,
        half=case.half,
        horizon=horizon,
        states=tuple(states),
        rewards=np.asarray(rewards),
    )


def _run(
    stretch: Stretch, h: int, action: PipelineSettings, lstm: _Kept, kept: dict[tuple[str, ...], _Kept]
) -> Prequential:
    """The past forecasts of the action, with the names of its experts."""
    if action.window_weeks is not None:
        return _windowed(stretch, h, action, lstm)
    chosen = action.pipeline((lstm,))
    settings = chosen.settings
    paced = replace(stretch, refit=max(1, round(stretch.refit * settings.refit_days)))
    parts = []
    for expert in chosen.experts:
        key = (repr(expert), str(paced.refit))
        if key not in kept:
            # One expert alone, not recalibrated: the mix is the expert itself.
            alone = prequential(paced, h, Pipeline(experts=(expert,), settings=replace(settings, rate=0.0)))
            kept[key] = _Kept(name=expert.name, quantiles=alone.quantiles)
        parts.append(kept[key])
    models = (*parts, *chosen.quantile_models)
    return prequential(paced, h, Pipeline(experts=(), quantile_models=models, settings=settings))


def _windowed(stretch: Stretch, h: int, action: PipelineSettings, lstm: _Kept) -> Prequential:
    """As `_run`, in pieces of a week, each walked from the newest `window_weeks` before it."""
    week = 7 * DAY // stretch.step
    reach = round((action.window_weeks or 0) * week)
    plain = replace(action, window_weeks=None)
    out = np.full((len(stretch) + h, len(LEVELS)), np.nan)
    # The week before the first segment is walked too: its losses are part of the first state.
    for begin in range(max(0, stretch.trained - week), len(stretch), week):
        low, high = max(0, begin - reach), min(len(stretch), begin + week)
        part = replace(
            stretch,
            values=stretch.values[low:high],
            observed=stretch.observed[low:high],
            start=stretch.start + low * stretch.step,
            trained=max(begin - low, 1),
            week=stretch.week if begin - low >= 2 * week else 0,
        )
        made = _run(part, h, plain, _Kept(name=lstm.name, quantiles=lstm.quantiles[low : high + h]), {})
        rows = slice(begin, high + (h if high == len(stretch) else 0))
        out[rows] = made.quantiles[begin - low : begin - low + (rows.stop - rows.start)]
    return replace(made, quantiles=out)


def nets(folder: Path, cache: Path, training: Training, series: int) -> tuple[QuantileLstm, QuantileLstm, QuantileLstm]:
    """The shipped net for unseen series, and two cross-fitted ones for tune series: of FOLD and of other sources."""
    crossed = []
    for name, without in (("fold", FOLD), ("others", SOURCES - FOLD)):
        file = cache / f"lstm-{name}.npz"
        if not file.exists():
            net = pretrain(folder, seed=0, series=series, training=training, without=without)
            file.write_bytes(dump(net))
        crossed.append(parse(file.read_bytes(), source=file.name))
    return pretrained(), crossed[0], crossed[1]


def replays(
    folder: Path, cache: Path, *, training: Training, series: int, limit: int | None = None
) -> Iterator[TunerReplay]:
    """All replays, from the cache where they are there (a JSON file per series and horizon, of these actions)."""
    cache.mkdir(parents=True, exist_ok=True)
    shipped, fold, others = nets(folder, cache, training, series)
    for number, case in enumerate(cases(folder)):
        if limit is not None and number >= limit:
            return
        net = shipped if case.half == "unseen" else fold if case.source in FOLD else others
        for horizon in (2, DAY // case.grid.step):
            file = cache / f"{case.name.replace('/', '-').replace('@', '-')}.{case.half}.{horizon}.json"
            if not file.exists():
                made = replay(case, horizon, net)
                file.write_text(json.dumps(None if made is None else to_json(made)), encoding="utf-8")
            read = json.loads(file.read_text(encoding="utf-8"))
            if read is not None:
                yield from_json(read)


def to_json(made: TunerReplay) -> dict[str, object]:
    """Plain values of a replay."""
    return {
        "name": made.name,
        "source": made.source,
        "half": made.half,
        "horizon": made.horizon,
        "actions": [a.name for a in ACTIONS],
        "states": [[s.to_json() for s in row] for row in made.states],
        "rewards": made.rewards.tolist(),
    }


def from_json(read: dict[str, object]) -> TunerReplay:
    """What `to_json` gave; ValueError where it was made with other actions."""
    if read["actions"] != [a.name for a in ACTIONS]:
        raise ValueError("the cache holds backtests of other actions; empty its folder and run again")
    states = tuple(tuple(TunerState.from_json(s) for s in row) for row in read["states"])  # type: ignore[attr-defined]
    return TunerReplay(
        name=str(read["name"]),
        source=str(read["source"]),
        half=str(read["half"]),
        horizon=int(str(read["horizon"])),
        states=states,
        rewards=np.asarray(read["rewards"], dtype=float),
    )
