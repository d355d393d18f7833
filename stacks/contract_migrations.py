"""Upgrades the raw keys of older stack configurations, one version at a time. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from stacks.contract_base import Demand, canonical, demand_digest


def _name_the_shares(values: dict[str, Any]) -> dict[str, Any]:
    """1 → 2: renames a class's `violatingShare` to `promisedShare` and `windowShare` to `allowedShare`, now required.

    `plan.forecastDigest` covers the demand section, so it is computed again. That happens only if the old digest matched:
    a section that was edited by hand stays recognisable.
    """
    section, plan = values.get("demand"), values.get("plan")
    classes = section.get("classes") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(classes, Mapping):
        return values  # not a demand section: validation reports the fault
    lifted = {**section, "classes": {name: _lifted_class(raw) for name, raw in classes.items()}}
    values = {**values, "demand": lifted}
    try:
        demand = Demand.model_validate(lifted)
    except ValidationError:
        return values
    if isinstance(plan, Mapping) and plan.get("forecastDigest") == _digest_1(demand, classes):
        values["plan"] = {**plan, "forecastDigest": demand_digest(demand)}
    return values


def _lifted_class(raw: Any) -> Any:
    if not isinstance(raw, Mapping) or "violatingShare" not in raw:
        return raw
    kept = {key: value for key, value in raw.items() if key not in ("violatingShare", "windowShare")}
    window = raw.get("windowShare")
    promised = raw["violatingShare"]
    return {**kept, "promisedShare": promised, "allowedShare": promised if window is None else window}


def _digest_1(demand: Demand, classes: Mapping[str, Any]) -> str:
    """The digest of this section as version 1 computed it."""
    section = demand.model_dump(mode="json", by_alias=True)
    for name, one in section["classes"].items():
        window = classes[name].get("windowShare")
        one["violatingShare"] = one.pop("promisedShare")
        allowed = one.pop("allowedShare")
        one["windowShare"] = None if window is None else allowed
    return hashlib.sha256(canonical(section).encode()).hexdigest()


#: Version → function that upgrades its raw keys to the next version.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _name_the_shares}
