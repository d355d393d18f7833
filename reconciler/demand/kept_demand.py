"""Demand with the last known load in place of what has no current data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from forecaster.demand import DemandForecast
from reconciler.demand.grouping import Grouping
from reconciler.demand.lost_data import LostData
from reconciler.fleet.file import Application, Fleet

T = TypeVar("T")
#: Model name that the plan shows for a group at its last known load.
KEPT = "last known load"


@dataclass(frozen=True, kw_only=True)
class KeptDemand:
    """The forecast and its groups, with lost groups at their last known load. load_now: class → requests/s, including them."""

    forecast: DemandForecast
    grouping: Grouping
    load_now: Mapping[str, float]


def with_kept(
    fleet: Fleet, forecast: DemandForecast, grouping: Grouping, load_now: Mapping[str, float], lost: LostData
) -> KeptDemand:
    """Replace the rows of lost classes and applications, and add rows for those without a group.

    - A lost class becomes one group at its last known load.
    - A lost application with its own group keeps that group, at its last known load.
    - A lost application that was forecast with others gets its own group, because their sum no longer includes it.
    """
    if not lost.classes and not lost.applications:
        return KeptDemand(forecast=forecast, grouping=grouping, load_now=load_now)
    parts = _Parts(forecast, grouping)
    loads = dict(load_now)
    for found in lost.classes.values():
        if found.until is None:
            continue
        parts.drop([k for k, qos in enumerate(grouping.qos) if qos == found.name])
        parts.add(f"{found.name} ({KEPT})", found.name, found.rps, _rules(fleet, grouping, found.name, ""))
        loads[found.name] = found.rps
    for one in lost.applications:
        own = (one.application, f"{one.application}@{one.qos}")
        mine = [k for k, n in enumerate(grouping.names) if n in own and grouping.qos[k] == one.qos]
        parts.drop(mine)
        name = grouping.names[mine[0]] if mine else f"{one.application} ({KEPT})"
        parts.add(name, one.qos, one.rps, _rules(fleet, grouping, one.qos, one.application))
        loads[one.qos] = max(loads.get(one.qos, 0.0), lost.current_rps(one.qos)) + one.rps
    made, groups = parts.built()
    return KeptDemand(forecast=made, grouping=groups, load_now=loads)


def _rules(fleet: Fleet, grouping: Grouping, qos: str, application: str) -> Mapping[Application, float]:
    """Rule → weight, for the cost of serving the requests of a lost class or application."""
    rule = fleet.rule("", application) if application else None
    if rule is not None and rule.qos == qos:
        return {rule: 1.0}
    known: dict[Application, float] = {}
    for k, name in enumerate(grouping.qos):
        if name == qos:
            known.update(grouping.rules[k])
    return known or {rule: 1.0 for rule in fleet.applications if rule.qos == qos}


class _Parts:
    """Rows of a forecast and its groups, to drop some and add others."""

    def __init__(self, forecast: DemandForecast, grouping: Grouping) -> None:
        self._forecast, self._grouping = forecast, grouping
        self._dropped: set[int] = set()
        self._added: list[tuple[str, str, float, Mapping[Application, float]]] = []

    def drop(self, rows: list[int]) -> None:
        """Drop these rows of the forecast."""
        self._dropped |= set(rows)

    def add(self, name: str, qos: str, rps: float, rules: Mapping[Application, float]) -> None:
        """Add a group of `rps` requests/s in every step."""
        self._added.append((name, qos, rps, rules))

    def built(self) -> tuple[DemandForecast, Grouping]:
        """The forecast and the groups in order of name; a group's pairs follow it, those of a dropped one have none."""
        made, grouping = self._forecast, self._grouping
        keep = [k for k in range(len(grouping.names)) if k not in self._dropped]
        names = [grouping.names[k] for k in keep] + [a[0] for a in self._added]
        order = sorted(range(len(names)), key=lambda k: names[k])
        flat = np.array([rps * made.step.total_seconds() for _, _, rps, _ in self._added])
        quantiles = np.concatenate(
            [made.quantiles[keep], np.broadcast_to(flat[:, None, None], (len(flat), *made.quantiles.shape[1:]))]
        )
        paths = np.concatenate(
            [made.paths[:, keep], np.broadcast_to(flat[None, :, None], (len(made.paths), len(flat), made.horizon))],
            axis=1,
        )
        where = {old: order.index(new) for new, old in enumerate(keep)}
        codes = np.array([where.get(int(code), -1) for code in grouping.codes], dtype=np.int64)

        def arranged(old: Sequence[T], new: Sequence[T]) -> tuple[T, ...]:
            rows = [*(old[k] for k in keep), *new]
            return tuple(rows[k] for k in order)

        groups = Grouping(
            names=tuple(names[k] for k in order),
            qos=arranged(grouping.qos, [a[1] for a in self._added]),
            codes=codes,
            rules=arranged(grouping.rules, [a[3] for a in self._added]),
        )
        count = len(self._added)
        why = f"no current data: the {KEPT} replaces the forecast"
        forecast = replace(
            made,
            applications=groups.names,
            quantiles=quantiles[order],
            paths=paths[:, order],
            models=arranged(made.models, [KEPT] * count),
            reasons=arranged(made.reasons, [why] * count),
            calibrated=arranged(made.calibrated, [False] * count),
        )
        return forecast, groups
