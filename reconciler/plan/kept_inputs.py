"""The inputs of a decision as plain values and one array, from which the decision can be repeated. Pure.

Everything that `decide` reads is kept exactly. The forecast's paths are large (paths × groups × horizon), so two summaries
replace them: the sums per QoS class that the sizing uses, and what the error budget reads of the whole horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from forecaster.demand import LEVELS, DemandForecast, RequestCost
from reconciler.demand.grouping import Grouping
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet
from reconciler.observe.stack_state import Observed
from reconciler.plan.decide import Decision, decide
from reconciler.plan.file import PlanFile
from reconciler.plan.problem import ahead_of
from reconciler.plan.render import render
from reconciler.plan.snapshot import DemandAhead, Snapshot
from reconciler.record.entries import Precision
from reconciler.trust.error_budget import HorizonDemand
from stacks.contract import Slot, Tier
from stacks.plain_secrets import plain_secrets

#: Version of the document; another one is not replayed.
VERSION = 1
#: Fields of a snapshot that are written apart, and those that no decision reads.
_APART, _UNREAD = {"fleet", "observed", "forecast", "grouping", "ahead"}, {"standing", "memory", "world", "actuals"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """A run's document (plain JSON values) and its paths, (paths, classes, steps) requests/s."""

    document: Mapping[str, Any]
    paths: Floats

    @property
    def plan(self) -> str:
        """Id of the plan that was decided."""
        return str(self.document["expected"]["id"])


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """A repeated decision: the keys whose values differ from the first one; empty if the bytes are the same."""

    plan: str
    differs: tuple[str, ...]


def inputs_of(decision: Decision, *, seed: int) -> RunInputs:
    """The inputs of a decision that are kept."""
    snapshot = decision.snapshot
    ahead = ahead_of(snapshot)
    hints = get_type_hints(Snapshot)
    plain = {
        field.name: TypeAdapter(hints[field.name]).dump_python(getattr(snapshot, field.name), mode="json")
        for field in fields(snapshot)
        if field.name not in _APART | _UNREAD
    }
    document = {
        "version": VERSION,
        "seed": seed,
        "fleet": _durations(snapshot.fleet.model_dump()),
        "snapshot": plain,
        "observed": _observed(snapshot.observed),
        "forecast": _forecast(snapshot.forecast),
        "grouping": _grouping(snapshot.grouping, snapshot.fleet),
        "horizons": TypeAdapter(dict[str, HorizonDemand]).dump_python(dict(ahead.horizons), mode="json"),
        "expected": decision.plan.model_dump(mode="json", exclude={"binding"}),
    }
    return RunInputs(document=document, paths=ahead.paths[:, :, : decision.problem.horizon])


def secrets_in(inputs: RunInputs) -> list[str]:
    """Keys of the document whose values look like secrets. Such a document must not be kept."""
    return [place for place, _ in plain_secrets("", inputs.document)]


def snapshot_of(inputs: RunInputs, *, location: str) -> tuple[Snapshot, PlanFile]:
    """What a kept run knew, and the plan that it decided.

    Raises:
        InputError: the document has another version or is damaged.
    """
    document = inputs.document
    if document.get("version") != VERSION:
        raise InputError(
            location,
            f"the inputs have version {document.get('version')}, but this tiercast replays version {VERSION}.",
            "Replay them with the version of tiercast that made them.",
        )
    try:
        return _snapshot(document, inputs.paths), PlanFile.model_validate(document["expected"])
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise InputError(
            location, f"the kept inputs are damaged ({type(error).__name__}).", "Replay another run."
        ) from None


def replayed(inputs: RunInputs, *, location: str) -> ReplayResult:
    """Decide again, and compare the plan file's and the rendered stack values' bytes.

    Raises:
        InputError: the document has another version or is damaged.
    """
    snapshot, expected = snapshot_of(inputs, location=location)
    found = decide(snapshot).plan
    differs = _differences("", expected.model_dump(mode="json"), found.model_dump(mode="json"))
    if not differs and _text(expected) != _text(found):
        differs = ["the order of keys in the stack file"]
    return ReplayResult(plan=expected.id, differs=tuple(differs))


def precision_of(paths: Floats) -> Precision:
    """The precision with which the paths were kept."""
    return "exact" if paths.dtype == np.float64 else "float32"


def _snapshot(document: Mapping[str, Any], paths: Floats) -> Snapshot:
    fleet = Fleet.model_validate(document["fleet"])
    hints = get_type_hints(Snapshot)
    plain = {name: TypeAdapter(hints[name]).validate_python(value) for name, value in document["snapshot"].items()}
    forecast, groups = document["forecast"], document["grouping"]
    names = tuple(forecast["applications"])
    shape = (len(names), int(forecast["horizon"]))
    rules = [{fleet.applications[place]: weight for place, weight in mix} for mix in groups["rules"]]
    return Snapshot(
        fleet=fleet,
        observed=Observed(
            slots={
                Tier(tier): tuple(Slot.model_validate(slot) for slot in slots)
                for tier, slots in document["observed"]["slots"].items()
            },
            groups={
                (Tier(tier), group): (tuple(types), count)
                for tier, group, types, count in document["observed"]["groups"]
            },
            idle=dict(document["observed"].get("idle", {})),
            replaced=frozenset(document["observed"].get("replaced", ())),
            held=frozenset(document["observed"].get("held", ())),
            taken=frozenset(document["observed"].get("taken", ())),
            ready={(Tier(tier), group): count for tier, group, count in document["observed"].get("ready", ())},
            most={(Tier(tier), group): count for tier, group, count in document["observed"].get("most", ())},
        ),
        # Of the forecast the decision reads names, models and costs. Its numbers are in `ahead`.
        forecast=DemandForecast(
            cutoff=datetime.fromisoformat(forecast["cutoff"]),
            step=timedelta(seconds=forecast["step_seconds"]),
            applications=names,
            levels=LEVELS,
            quantiles=np.zeros((*shape, len(LEVELS))),
            paths=np.zeros((0, *shape)),
            models=tuple(forecast["models"]),
            reasons=("",) * len(names),
            costs=TypeAdapter(dict[str, RequestCost]).validate_python(forecast["costs"]),
        ),
        grouping=Grouping(
            names=tuple(groups["names"]),
            qos=tuple(groups["qos"]),
            codes=np.empty(0, dtype=np.int64),
            rules=tuple(rules),
        ),
        ahead=DemandAhead(
            paths=paths.astype(np.float64),
            horizons=TypeAdapter(dict[str, HorizonDemand]).validate_python(document["horizons"]),
        ),
        **plain,
    )


def _observed(observed: Observed) -> dict[str, Any]:
    return {
        "slots": {t.value: [slot.model_dump(mode="json") for slot in slots] for t, slots in observed.slots.items()},
        "groups": [
            [tier.value, group, list(types), count] for (tier, group), (types, count) in observed.groups.items()
        ],
        "idle": dict(observed.idle),
        "replaced": sorted(observed.replaced),
        "held": sorted(observed.held),
        "taken": sorted(observed.taken),
        "ready": [[tier.value, group, count] for (tier, group), count in observed.ready.items()],
        "most": [[tier.value, group, count] for (tier, group), count in observed.most.items()],
    }


def _forecast(forecast: DemandForecast) -> dict[str, Any]:
    return {
        "cutoff": forecast.cutoff.isoformat(),
        "step_seconds": forecast.step.total_seconds(),
        "horizon": forecast.horizon,
        "applications": list(forecast.applications),
        "models": list(forecast.models),
        "costs": TypeAdapter(dict[str, RequestCost]).dump_python(dict(forecast.costs), mode="json"),
    }


def _grouping(grouping: Grouping, fleet: Fleet) -> dict[str, Any]:
    place = {rule: k for k, rule in reversed(list(enumerate(fleet.applications)))}
    return {
        "names": list(grouping.names),
        "qos": list(grouping.qos),
        "rules": [[[place[rule], weight] for rule, weight in mix.items()] for mix in grouping.rules],
    }


def _durations(value: Any) -> Any:
    """Plain JSON values of a fleet, with durations as in a fleet file."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}s"
    if isinstance(value, Mapping):
        return {str(key): _durations(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_durations(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _text(plan: PlanFile) -> str:
    """The stack file that a plan renders to, starting from an empty one."""
    return render("", plan.config, own=frozenset(plan.config), location="replay")


def _differences(place: str, first: Any, second: Any) -> list[str]:
    """Dotted keys whose values differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = dict.fromkeys((*first, *second))
        return [
            line
            for key in keys
            for line in _differences(f"{place}.{key}" if place else str(key), first.get(key), second.get(key))
        ]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [
            line
            for k, pair in enumerate(zip(first, second, strict=True))
            for line in _differences(f"{place}[{k}]", *pair)
        ]
    return [] if first == second and type(first) is type(second) else [f"{place}: {first!r} → {second!r}"[:300]]
