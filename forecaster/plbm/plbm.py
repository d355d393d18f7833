"""PLBM, the predictive load balancing module: demand per user and application, with honest intervals, kept up to date.

    plbm = PLBM(settings)
    plbm.train(historical_data)                     # a History, or a frame of events or series
    plbm.predict(user_id, application_id, timestamp)
    plbm.forecast()                                 # a DemandForecast of all applications
    plbm.get_recommendations(size)                  # what `size` makes of it, with intervals
    plbm.update(new_rows)                           # refits only what schedule, drift or score ask for

- `train` fits everything. `update` extends the history, scores the last forecasts and refits only what failed.
- Between refits a series asks the experts that carried its mix.
- A user or application that is not in the history gets the prior of its group, with wide intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd

from forecaster.demand import DemandForecast, RequestCost
from forecaster.errors import ForecastError
from forecaster.hierarchy.joint import Forecasts, Joint, joint
from forecaster.hierarchy.levels import at_level
from forecaster.hierarchy.modelled import Modelled, modelled, names_of, net_of, prior_of, tail_of
from forecaster.hierarchy.nodes import NodeForecast, Task, node_forecast
from forecaster.hierarchy.settings import NodeOf, PlbmSettings, by_application
from forecaster.hierarchy.structure import Structure, node_shares, pair_shares, series_values, structure_of
from forecaster.history.assemble import extended
from forecaster.history.frame import history_from_frame
from forecaster.history.history import Floats, History, aligned
from forecaster.history.measured import read_measurements
from forecaster.history.outages import with_outages
from forecaster.history.retries import are_events
from forecaster.parallel import Runner, in_order
from forecaster.plbm.answers import answer, steps_ahead, too_far
from forecaster.plbm.prediction import Asked, Prediction, Recommendation, recommendations
from forecaster.plbm.scoring import scored
from forecaster.plbm.state import Fitted, PlbmState, Update, due_of
from forecaster.tuner import Tuner
from forecaster.workload.costs import learn_workload
from forecaster.workload.utilisation import Units, without_measurement


class PLBM:
    """Forecasts demand per user and application and keeps itself calibrated; see the module's rule."""

    def __init__(
        self,
        settings: PlbmSettings | None = None,
        *,
        node_of: NodeOf = by_application,
        run: Runner = in_order,
        tuner: Tuner | None = None,
    ) -> None:
        """`node_of` says what is forecast together (default: each application); `run` runs the fits; `tuner` is another
        policy than the one that ships with the package."""
        self._settings = settings or PlbmSettings()
        self._node_of = node_of
        self._run = run
        self._tuner = tuner
        self._state: PlbmState | None = None
        self._joint: Joint | None = None
        self._structure: Structure | None = None

    @property
    def state(self) -> PlbmState:
        """Everything that was learned. Raises `ForecastError` before `train`."""
        if self._state is None:
            raise ForecastError("the forecaster has no history yet; run `tiercast train`, or call train().")
        return self._state

    @classmethod
    def resumed(
        cls, state: PlbmState, *, node_of: NodeOf = by_application, run: Runner = in_order, tuner: Tuner | None = None
    ) -> PLBM:
        """A PLBM that goes on from a kept state."""
        plbm = cls(state.settings, node_of=node_of, run=run, tuner=tuner)
        plbm._take(state)
        return plbm

    def _take(self, state: PlbmState) -> None:
        self._state, self._joint = state, None
        self._structure = structure_of(state.history, self._node_of, state.settings)

    @property
    def structure(self) -> Structure:
        """Nodes, modelled series and big pairs of the history."""
        _ = self.state
        assert self._structure is not None
        return self._structure

    def train(
        self,
        historical_data: History | pd.DataFrame,
        *,
        measurements: pd.DataFrame | None = None,
        declared: Mapping[str, RequestCost] | None = None,
        units: Units | None = None,
    ) -> PLBM:
        """Fit every series on the history and learn what requests cost; returns itself.

        `historical_data` is a `History`, or a frame of series or events (see `history_from_frame`); `measurements` a
        sample of measured events; `declared` costs by application, which win over learned ones; `units` says what the
        series' utilisation is in, to learn costs from it where no event was measured. Any history will do, none
        included. Raises `HistoryError` for a frame that can't be read.
        """
        history = _history(historical_data, None)
        kept = history.tail(max(1, int(self._settings.keep / history.step)))
        events, odd = read_measurements(
            measurements if measurements is not None else history.measurements, "measured events"
        )
        workload = learn_workload(events)
        quality = kept.quality.with_findings([*odd, *(() if workload is None else workload.findings())])
        self._take(
            PlbmState(
                settings=self._settings,
                history=replace(kept, measurements=pd.DataFrame(), quality=quality),
                workload=workload,
                declared=without_measurement(kept, units or Units(), workload, declared or {}),
            )
        )
        self._fit(dict.fromkeys(self._names(), "first fit"))
        return self

    def update(self, new_rows: History | pd.DataFrame, *, refit: bool = True) -> Update:
        """Take in newer rows: score the forecasts that they tell about, refit only what schedule or score ask for.

        A count for a step that is known already replaces what was known; events, which come late one by one, are added to
        it. `refit` False leaves even those for later. Costs one pass over the history and no fit where nothing is due.
        """
        before = self.state
        newer = _history(new_rows, before.history.step)
        late = isinstance(new_rows, pd.DataFrame) and are_events(new_rows)
        history = extended(before.history, newer, add=late)
        history = with_outages(history) if late else history
        history = history.tail(max(1, int(before.settings.keep / history.step)))
        values = series_values(history, structure_of(history, self._node_of, before.settings), before.settings.calendar)
        fitted, count = scored(before, self.structure, history)
        self._take(replace(before, history=history, fitted=fitted, fresh={}))
        due = due_of(self.state, self._names()) if refit else {}
        self._fit(due, values)
        return Update(rows=newer.quality.rows, scored=count, refitted=due)

    def _names(self) -> tuple[str, ...]:
        return names_of(self.state.history, self.structure)

    def _fit(self, due: Mapping[str, str], values: Floats | None = None) -> None:
        """Ask all experts for the series in `due` and keep what they say and which of them carried the mix."""
        if due:
            state = self.state
            if values is None:
                values = series_values(state.history, self.structure, state.settings.calendar)
            net = net_of(state.net, state.history, self.structure, state.settings, values)
            tail = tail_of(state.tail, state.history, state.settings, values)
            self._state = replace(state, net=net, tail=tail)
        made = self._forecasts(due, refit=True, values=values)
        now = self.state.history.end
        fitted = {**self.state.fitted, **{name: Fitted.by(one, now) for name, one in made.items()}}
        alive = set(self._names())
        kept = {name: known for name, known in fitted.items() if name in alive}
        self._state = replace(self.state, fitted=kept, fresh={**self.state.fresh, **made})
        self._joint = None

    def _forecasts(
        self, names: Mapping[str, str], *, refit: bool, values: Floats | None = None, horizon: int | None = None
    ) -> dict[str, NodeForecast]:
        """Forecasts of what is modelled, where in `names`; a refit asks all experts and learns the calendar's effects."""
        state = self.state
        wanted = modelled(state.history, self.structure, state.settings, names, values)
        tasks = [self._task(one, refit=refit, horizon=horizon) for one in wanted]
        return {one.name: one for one in self._run(node_forecast, tasks)}

    def _task(self, one: Modelled, *, refit: bool, horizon: int | None) -> Task:
        state = self.state
        known = state.fitted.get(one.name)
        return Task(
            name=one.name,
            values=one.values,
            start=state.history.start,
            step=state.history.step,
            horizon=horizon or state.settings.horizon,
            calendar=state.settings.calendar,
            experts=() if refit or known is None else known.experts,
            effects=None if refit or known is None else known.effects,
            prior=one.prior,
            choices=() if known is None else known.choices,
            fitted=None if known is None else known.fitted,
            lstm=state.settings.lstm,
            net=state.net.net,
            tail=state.tail,
            tune=refit and state.settings.tune,
            tuner=self._tuner,
            seed=state.settings.seed,
        )

    def joint_forecast(self, horizon: int | None = None) -> Joint:
        """Joint paths of everything over `horizon` steps (default: the settings'), made once per history.

        Raises `ForecastError` for a horizon of more than eight weeks beyond the settings'.
        """
        state = self.state
        steps = horizon or state.settings.horizon
        if steps > state.settings.horizon and too_far(steps, state.history.step):
            raise ForecastError(
                f"a horizon of {steps} steps of {state.history.step} is more than eight weeks; ask for fewer steps."
            )
        if self._joint is not None and self._joint.paths.shape[2] >= steps:
            return self._joint
        names = self._names()
        longer = steps > state.settings.horizon
        fresh = {} if longer else dict(state.fresh)
        missing = {name: "forecast" for name in names if name not in fresh}
        if missing:
            fresh |= self._forecasts(missing, refit=False, horizon=steps)
        if not longer:
            self._state = replace(state, fresh=fresh)
        series, wholes = len(self.structure.series), len(self.structure.wholes)
        made = tuple(fresh[name] for name in names)
        self._joint = joint(
            Forecasts(
                series=made[:series],
                big=made[series : len(made) - wholes],
                wholes=made[len(made) - wholes :],
            ),
            structure=self.structure,
            node_share=node_shares(state.history, self.structure),
            pair_share=pair_shares(state.history, self.structure),
            history=state.history,
            paths=state.settings.paths,
            seed=state.settings.seed,
        )
        return self._joint

    def forecast(self, *, level: str = "node", horizon: int | None = None) -> DemandForecast:
        """Joint forecast of one level: "series" (what is modelled), "node" (applications, or what `node_of` says),
        "application", "user", "label" (tier or class) or "total". All levels are sums of the same paths.

        Raises `ForecastError` without any history or for too far a horizon.
        """
        state = self.state
        if not self.structure.nodes:
            raise ForecastError(
                "the history has no application yet; add requests to it, or call predict(), which uses the default prior."
            )
        return at_level(self.joint_forecast(horizon), state.history, level, self.costs())

    def costs(self) -> dict[str, RequestCost]:
        """What a request of each node and series costs, where declared or learned; declared ones win."""
        state = self.state
        names = {application for _, application in state.history.pairs} | {
            *self.structure.nodes,
            *self.structure.series,
        }
        learned = state.workload.costs(sorted(names)) if state.workload is not None else {}
        return {**learned, **state.declared}

    def predict(self, user_id: str, application_id: str, timestamp: datetime) -> Prediction:
        """Demand of a user on an application in the step that contains `timestamp`, as requests and as resources.

        Raises `ForecastError` for a time without a zone, inside the history, or more than eight weeks after it.
        """
        state, structure = self.state, self.structure
        steps = steps_ahead(state.history, timestamp)
        start = state.history.end + (steps - 1) * state.history.step
        asked = Asked(
            user_id=user_id,
            application_id=application_id,
            timestamp=start if state.history.length else aligned(timestamp, state.history.step),
            step=state.history.step,
            cost=self._cost(application_id),
        )
        node, label = self._node_of(user_id, application_id)
        if node not in structure.nodes:
            why = f"application {application_id} is not in the history"
            return Prediction.of_prior(asked, prior_of(state.history, structure, state.settings, label), why)
        made = self.joint_forecast(max(steps, state.settings.horizon))
        return answer(made, state, structure.nodes.index(node), steps, asked)

    def _cost(self, application: str) -> RequestCost | None:
        state = self.state
        learned = state.workload.costs([application]) if state.workload is not None else {}
        return state.declared.get(application, learned.get(application))

    def get_recommendations(
        self, size: Callable[[DemandForecast], Mapping[tuple[str, str], int]]
    ) -> tuple[Recommendation, ...]:
        """Instances per tier and type with intervals: what `size` decides on the forecast, and what it would decide if
        demand came in at its 5 % or 95 % quantile throughout.

        `size` maps a forecast to counts by (tier, instance type).
        """
        return recommendations(self.forecast(), size)


def _history(data: History | pd.DataFrame, step: timedelta | None) -> History:
    return data if isinstance(data, History) else history_from_frame(data, step=step)
