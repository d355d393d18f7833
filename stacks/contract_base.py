"""Parts of the contract that every tier shares: names, ownership, the plan's provenance and the demand it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ContractModel(BaseModel):
    """Base of all parts: frozen, camelCase in files, no unknown keys, numbers that are numbers."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, allow_inf_nan=False
    )


class Ownership(StrEnum):
    """Who owns the size of a tier.

    exact: tiercast sets minimum, desired and maximum to the planned count.
    floor: tiercast sets minimum and maximum; a scaling policy moves the desired count between them.
    external: someone else owns it; tiercast creates the group and then ignores its size.
    """

    EXACT = "exact"
    FLOOR = "floor"
    EXTERNAL = "external"


class Tier(StrEnum):
    """The three tiers, in the order of their readiness."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class Plan(ContractModel):
    """Where the sizes come from and how long they may be applied."""

    id: str = Field(description="Digest of the plan file; an output of the stack, never a resource input.")
    created_at: AwareDatetime
    cutoff: AwareDatetime = Field(description="Start of the last step of history that the forecast knew.")
    valid_until: AwareDatetime = Field(description="Past this time the program refuses to run without an override.")
    forecast_digest: str = Field(description="SHA-256 of the `demand` section, as `demand_digest` computes it.")
    catalogue_digest: str = Field(description="SHA-256 of the price catalogue that the plan was sized with.")
    replay: bool = Field(
        False, description="Made with --as-of from older history; refused unless the policy pack allows replays."
    )
    phase: bool = Field(
        False, description="Only in the private copy of an update: old capacity is still declared beside the new one."
    )


class Override(ContractModel):
    """Permission to apply a stale file until a given time, for a given reason."""

    reason: Annotated[str, StringConstraints(min_length=10)]
    until: AwareDatetime


class Service(ContractModel):
    """How a class's requests occupy a server (weighted over its applications)."""

    mean_ms: Annotated[float, Field(gt=0)] = Field(description="Mean service time of a request on one slot, ms.")
    scv: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="Squared coefficient of variation of the service time."
    )
    arrival_scv: Annotated[float, Field(ge=0)] = Field(default=1.0, description="The same of the inter-arrival time.")
    concurrency_per_vcpu: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Requests one vCPU serves at once."
    )
    memory_mib: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Memory held by one request in service, MiB."
    )
    network_bytes: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Bytes that one request moves over the instance's network; 0: no constraint."
    )
    peak_factor: Annotated[float, Field(ge=1)] = Field(
        default=1.0, description="Peak rate within a step / mean rate of the step."
    )


class ClassDemand(ContractModel):
    """One QoS class: its promise, and the demand it was sized for."""

    priority: Count = Field(0, description="Order in which classes are served: lower first.")
    latency_ms: Annotated[float, Field(gt=0)]
    percentile: Annotated[float, Field(gt=0, lt=1)]
    promised_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Share of requests that the class may miss: the promise, `violating_share` in fleet.yaml."
    )
    allowed_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Share that this plan may miss after pacing, so that the promise holds over many plans."
    )
    tiers: tuple[Tier, ...] = Field(min_length=1, description="Tiers that may serve the class, first choice first.")
    levels: tuple[Share, ...] = Field(min_length=1, description="Quantile levels, ascending.")
    requests_per_second: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        description="Quantiles of the largest demand of a step while the plan is valid, requests/s."
    )
    service: Service
    round_trip_ms: dict[Tier, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _quantiles_ascend(self) -> Self:
        if len(self.levels) != len(self.requests_per_second):
            raise ValueError(f"{len(self.levels)} levels but {len(self.requests_per_second)} quantiles; give one each")
        rates = self.requests_per_second
        if list(self.levels) != sorted(set(self.levels)) or list(rates) != sorted(rates):
            raise ValueError("levels must ascend and quantiles must not cross")
        return self


class Demand(ContractModel):
    """The demand that the sizes answer, per QoS class in order of priority."""

    step_seconds: Positive
    classes: dict[Label, ClassDemand]

    @field_validator("classes")
    @classmethod
    def _by_priority(cls, classes: dict[str, ClassDemand]) -> dict[str, ClassDemand]:
        """The engine hands over objects with sorted keys, so the order is a field and not the file's."""
        return dict(sorted(classes.items(), key=lambda entry: entry[1].priority))


class Size(ContractModel):
    """Counts of one group."""

    min: Count
    desired: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.desired <= self.max:
            raise ValueError(f"min {self.min} ≤ desired {self.desired} ≤ max {self.max} does not hold")
        return self


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the text that digests are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plan_id(plan: Mapping[str, Any]) -> str:
    """The id that a plan file's content has: 128 bits of its digest, as hex digits.

    Everything counts but the id, the binding, its signature, the note about the model, and `tiercast:plan`, which holds the
    id. Keys that plans of earlier versions lacked count only where they say something.
    """
    left_out = {"id", "binding", "signature", "forecast_note"}
    body = {key: value for key, value in plan.items() if key not in left_out}
    for late in ("boot_seconds", "prices", "blocked", "edited", "replay", "pins"):
        if not body.get(late):
            body.pop(late, None)
    body["config"] = {key: value for key, value in body["config"].items() if key != "tiercast:plan"}
    return hashlib.sha256(canonical(body).encode()).hexdigest()[:32]


def demand_digest(demand: Demand) -> str:
    """SHA-256 of the demand section; `plan.forecastDigest` must equal it."""
    return hashlib.sha256(canonical(demand.model_dump(mode="json", by_alias=True)).encode()).hexdigest()
