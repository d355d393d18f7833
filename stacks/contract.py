"""The definition of the stack configuration. The reconciler writes it; the program and the policies read it.

- It describes everything under `tiercast:` in `Pulumi.<stack>.yaml`. Its parts are in `contract_*.py`.
- `python -m stacks.contract` generates the JSON schema from it.
- Keys are camelCase in YAML, as in Pulumi's own files. Unknown keys are refused.
- `plan` and `demand` are never resource inputs, so two plans with equal sizes preview no change. The program needs them to
  refuse a stale file, the policies to compute latency.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from stacks.contract_adopted import NOTHING_ADOPTED, Adopted, AdoptedGroup, AdoptedMachine
from stacks.contract_base import (
    ClassDemand,
    ContractModel,
    Demand,
    Override,
    Ownership,
    Plan,
    Service,
    Size,
    Tier,
    canonical,
    demand_digest,
    plan_id,
)
from stacks.contract_cloud import (
    Cold,
    ColdGroup,
    Commitment,
    Launch,
    ReadyPool,
    Reservation,
    Routing,
    TargetTracking,
    Warm,
    WarmGroup,
    check_tags,
)
from stacks.contract_metal import (
    BaseVolume,
    CloudInit,
    DirectKernel,
    Flavour,
    HealthCheck,
    Hypervisor,
    Interface,
    Metal,
    Slot,
)
from stacks.contract_migrations import MIGRATIONS
from stacks.contract_pins import Hold, Pin, Pins

__all__ = [
    "NOTHING_ADOPTED",
    "Adopted",
    "AdoptedGroup",
    "AdoptedMachine",
    "BaseVolume",
    "ClassDemand",
    "CloudInit",
    "Cold",
    "ColdGroup",
    "Commitment",
    "ContractError",
    "ContractModel",
    "Demand",
    "DirectKernel",
    "Flavour",
    "HealthCheck",
    "Hold",
    "Hypervisor",
    "Interface",
    "Launch",
    "Metal",
    "Override",
    "Ownership",
    "Pin",
    "Pins",
    "Plan",
    "ReadyPool",
    "Reservation",
    "Routing",
    "Service",
    "Size",
    "Slot",
    "StackConfig",
    "TargetTracking",
    "Tier",
    "Warm",
    "WarmGroup",
    "canonical",
    "demand_digest",
    "from_engine",
    "json_schema",
    "parse",
    "plan_id",
    "stale",
    "to_key",
]

#: Namespace of the configuration keys.
NAMESPACE = "tiercast"

#: Message for a stack without configuration.
MISSING = "This stack has no tiercast configuration: run `tiercast plan` to write Pulumi.<stack>.yaml, then again."

#: Version that this code writes. `MIGRATIONS` upgrades older versions; newer ones are refused.
SCHEMA_VERSION = 2

#: Configuration keys under the project's namespace, in the order they are written.
KEYS = ("schemaVersion", "plan", "override", "pins", "adopted", "demand", "hot", "warm", "cold", "routing", "tags")
#: Keys that people set. A plan neither writes nor removes them.
PERSONAL_KEYS = frozenset({"override", "pins", "adopted"})


class StackConfig(ContractModel):
    """All of `tiercast:*`."""

    schema_version: Literal[2] = 2
    plan: Plan
    override: Override | None = None
    pins: Pins | None = None
    adopted: Adopted | None = None
    demand: Demand
    hot: Metal = Metal()
    warm: Warm = Warm()
    cold: Cold = Cold()
    routing: Routing | None = None
    tags: dict[str, str] = Field(default_factory=dict, description="The fleet's own tags on every cloud resource.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_tags(self.tags)
        taken: dict[tuple[str, int], str] = {}
        for tier, metal in ((Tier.HOT, self.hot), (Tier.COLD, self.cold.metal)):
            for name, address in () if metal is None else metal.forwarded(tier.value):
                if address in taken:
                    raise ValueError(f"{name} and {taken[address]} are both forwarded to {address[0]}:{address[1]}")
                taken[address] = name
        return self

    def to_config(self) -> dict[str, Any]:
        """Plain JSON-like values by key of `KEYS`, without absent parts: what the renderer writes."""
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {key: data[key] for key in KEYS if key in data}


class ContractError(ValueError):
    """The configuration is not valid; the message has one line per fault and names its key."""


def parse(raw: Mapping[str, Any], *, secret_keys: Collection[str] = ()) -> StackConfig:
    """Validate the raw values under `tiercast:` (without the prefix), after lifting older versions.

    What is found under `secret_keys` (`hot`, `warm`, …) is never shown.

    Raises:
        ContractError: with one line per fault: the key, what was expected, what was found.
    """
    # `Pulumi.yaml` gives optional parts the default {}: the same as their absence.
    values = {key: value for key, value in raw.items() if value != {}}
    version = values.get("schemaVersion", SCHEMA_VERSION)
    if not isinstance(version, int) or isinstance(version, bool):
        raise ContractError(f"tiercast:schemaVersion: expected a whole number, found {version!r}.")
    if version > SCHEMA_VERSION:
        raise ContractError(
            f"tiercast:schemaVersion is {version}, but this tiercast reads versions up to {SCHEMA_VERSION}. Upgrade tiercast."
        )
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise ContractError(
                f"tiercast:schemaVersion {version} is too old to upgrade. Run `tiercast plan` for a new file."
            )
        values = MIGRATIONS[version](values)
        version += 1
        values["schemaVersion"] = version
    try:
        return StackConfig.model_validate(values)
    except ValidationError as error:
        raise ContractError(
            "\n".join(_fault(e["loc"], e["msg"], e.get("input"), secret_keys) for e in error.errors())
        ) from None


def from_engine(values: Mapping[str, Any]) -> dict[str, Any]:
    """Raw values for `parse` from the engine's own (full key → text; objects and numbers arrive as JSON)."""
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): _decoded(value) for key, value in values.items() if key.startswith(prefix)}


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _fault(location: tuple[int | str, ...], message: str, found: object, secret_keys: Collection[str]) -> str:
    key = "tiercast:" + ".".join(str(part) for part in location)
    hidden = isinstance(found, dict | list | tuple | BaseModel) or (location[:1] and location[0] in secret_keys)
    shown = "" if hidden else f" (found {found!r})"
    return f"{key}: {message.removeprefix('Value error, ')}{shown}"


def to_key(name: str) -> str:
    """Configuration key of a field: `schema_version` → `schemaVersion`."""
    return to_camel(name)


def stale(config: StackConfig, now: datetime) -> str | None:
    """The sentence that refuses a stale file, or None where it may be applied at `now` (aware)."""
    until = config.plan.valid_until
    if now <= until:
        return None
    override = config.override
    if override is not None and now <= override.until:
        return None
    ended = "" if override is None else f" The override ended at {override.until.isoformat()}."
    return (
        f"The plan {config.plan.id} was valid until {until.isoformat()} and it is {now.isoformat()}: a stale file must "
        f"not resize a fleet.{ended} Run `tiercast plan` for a new one, or set tiercast:override with a reason and an "
        "end time."
    )


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the configuration, camelCase keys."""
    return StackConfig.model_json_schema(by_alias=True)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, sort_keys=True))
