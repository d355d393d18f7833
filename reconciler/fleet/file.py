"""The fleet file: what a team writes by hand about its service, its tiers and its promises.

`fleet.yaml` is read strictly: an unknown key, a wrong type or a contradiction gives one sentence that names the key.
The file holds no sizes, because tiercast decides them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from reconciler.errors import InputError
from reconciler.fleet.drift import DriftReactions
from reconciler.fleet.guards import Guards
from reconciler.fleet.plain_secrets import refuse_plain_secrets
from reconciler.fleet.stacks import of_stack, path_in
from reconciler.fleet.tiers import Tiers
from reconciler.fleet.types import Count, Duration, FleetPart, InnerShare, Line, PositiveDuration, Zone
from stacks.contract import Flavour, Routing, Tier
from stacks.faults import faults, located
from stacks.yaml_text import NOWHERE, Places


class HistorySection(FleetPart):
    """Where the history is and how tiercast reads it."""

    source: str = Field(
        "files", description="Name of a source in reconciler/adapters/sources. It is checked when the source is read."
    )
    paths: tuple[Line, ...] = Field(
        (), description="CSV, CSV.gz or Parquet files, or folders of them. Relative to the fleet file."
    )
    users: tuple[str, ...] = Field((), description="Shell patterns of the users that count; empty: all of them.")
    applications: tuple[str, ...] = Field(
        (), description="Shell patterns of the applications that count; empty: all of them."
    )
    window: PositiveDuration = Field(timedelta(weeks=12), description="How much of the newest history is used.")
    max_age: Duration = Field(
        timedelta(hours=3), description="With older data the plan uses a fallback forecast and never scales down."
    )
    keep_lost: Duration = Field(
        timedelta(days=7), description="How long an application without data keeps its last known load."
    )
    requests_per_event: Annotated[float, Field(gt=0)] = Field(1.0, description="Requests per event of the log.")
    series: Count = Field(
        30, description="Number of busiest applications that are forecast one by one. The rest are forecast per class."
    )
    kind: Literal["auto", "series", "events"] = Field(
        "auto", description="`auto`: series if the rows have counts, else events."
    )
    timezone: Zone = Field("UTC", description="IANA zone of times that have none.")
    absent: Literal["auto", "zero", "missing"] = Field(
        "auto", description="Meaning of a step without a row. `auto`: zero for events, missing for series."
    )
    counters: bool = Field(False, description="The counts are counters that only grow.")
    demand: str = Field("requests", description="Column that holds the demand. Utilisation columns are averaged.")
    columns: dict[str, str] = Field(
        default_factory=dict, description="tiercast's column name → the column name in the file."
    )
    retry_window: Duration = Field(
        timedelta(seconds=30), description="A call that is repeated within this time counts as a retry."
    )
    vcpus_per_cpu: float | None = Field(None, gt=0, description="vCPUs per unit of the column `cpu`.")
    mib_per_memory: float | None = Field(None, gt=0, description="MiB per unit of the column `memory`.")

    def counts(self, user: str, application: str) -> bool:
        """Whether the requests of this user to this application are part of the fleet's demand."""
        return all(
            not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
            for name, patterns in ((user, self.users), (application, self.applications))
        )


class KnownEvent(FleetPart):
    """A known event: demand changes by a factor, or by the effect learned from earlier events of the same name."""

    name: str
    start: AwareDatetime
    end: AwareDatetime
    effect: Annotated[float, Field(gt=0)] | Literal["learn"] = "learn"


class Excluded(FleetPart):
    """A part of the history to leave out, and why."""

    start: AwareDatetime
    end: AwareDatetime
    why: str


class CalendarSection(FleetPart):
    """Time zone, holidays, known events and parts of the history to leave out."""

    timezone: Zone = "UTC"
    country: str = Field("", description="ISO 3166 code of the holidays to use; empty: none.")
    events: tuple[KnownEvent, ...] = ()
    exclude: tuple[Excluded, ...] = ()


class QosClass(FleetPart):
    """A promise: the latency at a percentile, and the share of requests that may miss it."""

    latency: PositiveDuration
    percentile: InnerShare = 0.99
    #: The promised share. fleet.yaml calls it `violating_share`.
    violating_share: InnerShare = 0.01
    tiers: tuple[Tier, ...] = Field((Tier.HOT, Tier.WARM, Tier.COLD), min_length=1)
    usd_per_hour: float | None = Field(None, gt=0, description="Maximum of the class's share of the cost.")


class Application(FleetPart):
    """A rule that assigns requests to a QoS class, by user and application, and declares what they cost to serve."""

    match: str = Field(description="Application name or shell pattern. The first rule that matches is used.")
    user: str = Field("*", description="User name or shell pattern.")
    qos: str
    service_time: PositiveDuration | None = Field(
        None, description="Mean time on one vCPU slot. Absent: learned from the history, else 50 ms."
    )
    scv: Annotated[float, Field(ge=0)] = 1.0
    arrival_scv: Annotated[float, Field(ge=0)] = 1.0
    concurrency_per_vcpu: Annotated[float, Field(gt=0)] = 1.0
    memory_mib: Annotated[float, Field(ge=0)] = 0.0
    network_bytes: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Bytes per request. 0: learned from the history, else none."
    )
    peak_factor: Annotated[float, Field(ge=1)] = 1.0
    team: str = Field("", description="Contact for people. tiercast does not read it.")


class PriceSource(StrEnum):
    """Source of the prices."""

    FILE = "file"
    BUILTIN = "builtin"
    AWS = "aws"


class PricesSection(FleetPart):
    """Where prices come from."""

    source: PriceSource | None = Field(None, description="Absent: `file` if `catalogue` is set, else `builtin`.")
    catalogue: Line = Field(
        "",
        description="Catalogue file, relative to the fleet file. With `aws` it supplies what no API reports.",
    )
    advisor: Line = Field("", description="AWS spot advisor file with interruption rates by type (`aws` only).")
    refresh: Duration = Field(timedelta(days=1), description="Prices of `aws` are fetched again after this time.")
    max_age: Duration = Field(timedelta(days=30), description="The plan flags older prices as stale.")

    @model_validator(mode="after")
    def _source_fits(self) -> Self:
        if self.source is PriceSource.FILE and not self.catalogue:
            raise ValueError("source `file` needs `catalogue`: name the file, or use `builtin`")
        if self.source is PriceSource.BUILTIN and self.catalogue:
            raise ValueError("source `builtin` does not read `catalogue`: remove it, or use `file`")
        return self


class Fleet(FleetPart):
    """The whole of `fleet.yaml`."""

    version: Literal[1] = 1
    name: Line = "service"
    step: PositiveDuration
    horizon: Duration = timedelta(hours=24)
    validity: PositiveDuration = Field(timedelta(hours=1), description="How long a plan may be applied.")
    history: HistorySection
    calendar: CalendarSection = CalendarSection()
    qos: dict[str, QosClass] = Field(min_length=1, description="Classes in order of priority.")
    applications: tuple[Application, ...] = Field(min_length=1)
    tiers: Tiers
    guards: Guards = Guards()
    drift: DriftReactions = DriftReactions()
    prices: PricesSection = PricesSection()
    routing: Routing | None = None
    tags: dict[str, str] = Field(default_factory=dict, description="Your own tags on every cloud resource.")
    config: dict[str, Any] = Field(default_factory=dict, description="Provider configuration, e.g. aws:region.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for index, rule in enumerate(self.applications):
            if rule.qos not in self.qos:
                known = ", ".join(self.qos)
                raise ValueError(
                    f"applications[{index}] ('{rule.match}') names QoS class '{rule.qos}'; known classes are {known}"
                )
        tiers = self.tiers
        if tiers.hot.hypervisors and not tiers.hot.flavours:
            raise ValueError("tiers.hot has hypervisors but no `flavours`: declare at least one VM size")
        for name, tier in (("warm", tiers.warm), ("cold", tiers.cold)):
            if tier.launch is not None and not tier.instance_types:
                raise ValueError(f"tiers.{name} has `launch` but no `instance_types`: name at least one")
            if tier.instance_types and tier.launch is None:
                raise ValueError(
                    f"tiers.{name} has `instance_types` but no `launch`: give an image and subnets or zones"
                )
        if not self.declared:
            raise ValueError("tiers: all three are empty; give at least one of them hypervisors or instance types")
        there = self.declared
        for which in Tier:
            if (least := tiers.of(which).min) and which not in there:
                raise ValueError(
                    f"tiers.{which.value} has `min` {least} but nothing to run; give it "
                    f"{'hypervisors' if which is Tier.HOT else 'instance types'}, or remove `min`"
                )
        for name, promise in self.qos.items():
            if not there & set(promise.tiers):
                raise ValueError(
                    f"qos.{name} may only use {', '.join(promise.tiers)}, which `tiers` does not declare; declare one of "
                    f"them, or let the class use {' or '.join(tier for tier in Tier if tier in there)}"
                )
        for key, names in {
            "hot.hypervisors": [host.name for host in tiers.hot.hypervisors],
            "hot.flavours": [flavour.name for flavour in tiers.hot.flavours],
            "warm.instance_types": list(tiers.warm.instance_types),
            "cold.instance_types": list(tiers.cold.instance_types),
            "cold.hosts": [host.name for host in tiers.cold.hosts],
            "cold.flavours": [flavour.name for flavour in tiers.cold.flavours],
        }.items():
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"tiers.{key} names {', '.join(twice)} twice; name each once")
        if self.horizon < self.step:
            raise ValueError(f"horizon {self.horizon} is shorter than one step ({self.step})")
        return self

    @property
    def declared(self) -> frozenset[Tier]:
        """Tiers that have hosts or instance types."""
        return frozenset(tier for tier in Tier if self.tiers.of(tier).declared)

    @property
    def metal_flavours(self) -> tuple[Flavour, ...]:
        """Flavours of VMs on our own metal, in any tier."""
        return tuple(flavour for tier in Tier for flavour in self.tiers.of(tier).own_flavours)

    def rule(self, user: str, application: str) -> Application | None:
        """The first rule that fits a user's requests to an application, or None."""
        fits = (r for r in self.applications if fnmatchcase(application, r.match) and fnmatchcase(user, r.user))
        return next(fits, None)


def parse_fleet(raw: Any, location: str, places: Places = NOWHERE, *, stack: str | None = None) -> Fleet:
    """Validate the content of a fleet file; `places` are those of its keys. `stack` chooses the part that is used where the
    file declares several stacks.

    Raises:
        InputError: the content is invalid, lacks the stack, or holds a secret in plain text. The message names file, lines and
            keys.
    """
    if not isinstance(raw, dict):
        raise InputError(
            location, "expected keys such as `step`, `history`, `qos`.", "See `tiercast init` for an example."
        )
    refuse_plain_secrets(raw, location)
    chosen = of_stack(raw, stack, location)
    try:
        return Fleet.model_validate(chosen)
    except ValidationError as error:
        found = [replace(fault, path=path_in(raw, stack, fault.path)) for fault in faults(error, chosen, Fleet)]
        where, problem = located(found, location, places)
        raise InputError(where, problem, "`tiercast init` writes a commented example.") from None
