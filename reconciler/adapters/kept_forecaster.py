"""The forecaster between runs: trained on the fleet's history, kept, and brought up to date by the next run.

The rule: `forecast` updates the kept model with newer history and keeps it again; `plan` extends a copy (`demand.trained`).
A run that replays an earlier time never uses a model that knows later data, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from forecaster.errors import ForecastError, ModelStoreError
from forecaster.parallel import Runner, processes
from forecaster.plbm.plbm import PLBM
from forecaster.plbm.state import Update
from reconciler.adapters.cluster import dask_runner
from reconciler.adapters.history.read import read_measurements
from reconciler.adapters.history.rules import history_rules
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.model_store import POINTER, current_version, load_state, save_state
from reconciler.adapters.sources.known import source_of
from reconciler.demand.forecaster_settings import declared_costs, settings_of, units_of
from reconciler.demand.grouping import nodes_of
from reconciler.demand.trained import TRAIN, UNTRAINED, Trained, extend, origin_of
from reconciler.fleet.file import Fleet


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A forecaster with the version it is kept under; `update` says what bringing it up to date did."""

    plbm: PLBM
    version: str
    update: Update | None = None


@contextmanager
def runner(jobs: int, cluster: str | None) -> Iterator[Runner]:
    """Where fits run: the Dask cluster at `cluster`, else `jobs` local processes."""
    if cluster is None:
        yield processes(jobs)
        return
    with dask_runner(cluster) as run:
        yield run


def train(
    fleet: Fleet,
    *,
    base: Path,
    models: Path,
    as_of: datetime | None,
    run: Runner,
    seed: int,
    now: datetime | None = None,
) -> Kept:
    """Fit the forecaster on the fleet's history up to `as_of` and keep it in `models`; nothing newer than `now` is read.

    Raises HistoryError, InputError or ForecastError for what can't be read or kept.
    """
    history = read_demand(fleet, base=base, as_of=as_of, now=now)
    source = source_of(fleet, base)
    events = read_measurements(source, until=as_of or now, rules=history_rules(fleet))
    plbm = PLBM(settings_of(fleet, seed=seed), node_of=nodes_of(fleet, history.pairs), run=run)
    plbm.train(history, measurements=events, declared=declared_costs(fleet, history.pairs), units=units_of(fleet))
    state = replace(plbm.state, origin=origin_of(fleet, source.fingerprint()))
    return Kept(plbm=plbm, version=save_state(models, state))


def resume(
    fleet: Fleet, *, base: Path, models: Path, as_of: datetime | None, run: Runner, now: datetime | None = None
) -> Kept:
    """The kept forecaster, updated with what the history holds beyond it, late rows included (and kept again where there
    was anything).

    Raises `ModelStoreError` where none is kept or it can't be read, `ForecastError` where it knows more than `as_of`.
    """
    state = load_state(models)
    history = read_demand(fleet, base=base, as_of=as_of, now=now)
    known = state.history
    if history.step != known.step:
        raise ForecastError(
            f"the kept model works in steps of {known.step}, fleet.yaml says {history.step}; run `tiercast train`."
        )
    if history.end < known.end:
        raise ForecastError(
            f"the kept model knows the history up to {known.end.isoformat()}, later than the requested time "
            f"({history.end.isoformat()}); run `tiercast train --as-of {history.end.isoformat()}` first."
        )
    pairs = {*history.pairs, *known.pairs}
    plbm = PLBM.resumed(state, node_of=nodes_of(fleet, sorted(pairs)), run=run)
    done = extend(plbm, history)
    if done is None:
        return Kept(plbm=plbm, version=current_version(models))
    plbm.forecast()  # kept too, so that the next run can score it
    return Kept(plbm=plbm, version=save_state(models, plbm.state), update=done)


def trained_model(fleet: Fleet, *, base: Path, models: Path) -> Trained:
    """The kept model for a plan to use; one that cannot be read is none, and the plan says so."""
    if not (models / POINTER).exists():
        return UNTRAINED
    try:
        state = load_state(models)
    except ModelStoreError as problem:
        said = str(problem).replace(f"{models}{os.sep}", "model ").rstrip(".")
        return Trained(missing=said if TRAIN in said else f"{said}; {TRAIN}")
    return Trained(state=state, source=source_of(fleet, base).fingerprint())
