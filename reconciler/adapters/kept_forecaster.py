"""The forecaster between runs: trained on the fleet's history, kept, and brought up to date by the next run.

The rule: a run that finds newer history than the kept model knows updates it; one that replays an earlier time must not
use a model that has seen the future, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from forecaster.errors import ForecastError
from forecaster.history.late_rows import news
from forecaster.parallel import Runner, processes
from forecaster.plbm.plbm import PLBM, Update
from reconciler.adapters.cluster import dask_runner
from reconciler.adapters.history.read import read_measurements
from reconciler.adapters.history.rules import history_rules
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.model_store import current_version, load_state, save_state
from reconciler.adapters.sources.known import source_of
from reconciler.demand.forecaster_settings import declared_costs, nodes_of, settings_of, units_of
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
    events = read_measurements(source_of(fleet, base), until=as_of or now, rules=history_rules(fleet))
    plbm = PLBM(settings_of(fleet, seed=seed), node_of=nodes_of(fleet, history.pairs), run=run)
    plbm.train(history, measurements=events, declared=declared_costs(fleet, history.pairs), units=units_of(fleet))
    return Kept(plbm=plbm, version=save_state(models, plbm.state))


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
            f"the kept model knows the history up to {known.end.isoformat()}, later than what was asked for "
            f"({history.end.isoformat()}); run `tiercast train --as-of {history.end.isoformat()}` first."
        )
    pairs = {*history.pairs, *known.pairs}
    plbm = PLBM.resumed(state, node_of=nodes_of(fleet, sorted(pairs)), run=run)
    newer = news(history, known)
    if newer is None:
        return Kept(plbm=plbm, version=current_version(models))
    plbm.forecast()
    done = plbm.update(newer)
    plbm.forecast()  # kept too, so that the next run can score it
    return Kept(plbm=plbm, version=save_state(models, plbm.state), update=done)
