"""The plan file: sizes, cost, risk and reasons, with the configuration that they render to.

The plan is a frozen record. The preview explains it and `up` executes it, so what is shown is what runs. Its id is a digest
of its content.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reconciler.errors import InputError
from stacks.contract import KEYS, PERSONAL_KEYS, StackConfig, parse, plan_id

#: Version of the plan files that this code writes and reads. Plans are short-lived, so other versions are not converted.
VERSION = 2
#: Keys of `Pulumi.<stack>.yaml` that a plan writes. The keys of people (override, pins) are never touched.
OWN_KEYS = frozenset(f"tiercast:{key}" for key in KEYS if key not in PERSONAL_KEYS)


class PlanPart(BaseModel):
    """Base: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _level(text: str) -> str:
    try:
        inside = 0 < float(text) < 1
    except ValueError:
        inside = False
    if not inside:
        raise ValueError("expected a level between 0 and 1, such as 0.95")
    return text


#: A quantile level as the key of a JSON object.
LevelText = Annotated[str, AfterValidator(_level)]


class TierLine(PlanPart):
    """One tier's change: instances and USD/hour before and after, and the binding constraint."""

    tier: str
    kinds: dict[str, int] = Field(description="Instance type or flavour → planned count.")
    before: int
    after: int
    ready: int | None = Field(None, description="How many of `before` serve. None: not known.")
    usd_before: float
    usd_after: float
    reason: str


class DriftLine(PlanPart):
    """A difference between the state and what there is: who or what made it, the resource, and what differs."""

    kind: str
    name: str
    what: str


class ClassLine(PlanPart):
    """One QoS class: its promise, and the latency and share of late requests that the plan is expected to have."""

    name: str
    latency_target_ms: float
    percentile: float
    latency_ms: float | None = Field(
        description="Latency at the percentile when demand is at its (1 − allowed share) quantile. None: not in time."
    )
    promised_share: float = Field(description="Share of requests that the class may miss: the promise.")
    allowed_share: float = Field(description="Share that this plan may miss after pacing.")
    expected_share: float = Field(description="Share of requests that this plan is expected to miss.")
    shortfall_probability: float = Field(
        description="P(demand exceeds what the class is served in time within a step). Not a share of requests."
    )
    requests_per_second: dict[LevelText, float] = Field(
        description="Demand quantiles of the step with the most demand: level → requests/s."
    )
    served_by: dict[str, float] = Field(
        default_factory=dict, description="Tier → requests/s of safe load for the class."
    )


class Binding(PlanPart):
    """What an approval is bound to. `tiercast preview` writes it. `state` holds a digest per resource."""

    config: str
    policies: str
    steps: tuple[tuple[str, str, tuple[str, ...]], ...] = Field(description="Operation, URN, inputs that differ.")
    state: dict[str, str]
    program: str = Field("", description="Digest of Pulumi.yaml and the program's files.")
    place: dict[str, str] = Field(
        default_factory=dict, description="Stack, backend, account, region, and versions of engine and plugins."
    )
    refresh: bool = Field(False, description="The preview refreshed the state, and the update does too.")
    values: dict[str, str] = Field(default_factory=dict, description="Step → digest of its old and new inputs.")
    phases: tuple[str, ...] = Field((), description="What each phase adds and removes, where there are several.")
    dips: tuple[str, ...] = Field(
        (), description="How far the change lowers ready capacity, where it can't be avoided."
    )
    previewed_at: AwareDatetime
    not_before: AwareDatetime | None = Field(None, description="Before this time the plan may not be applied.")


class PlanFile(PlanPart):
    """The whole plan."""

    version: Literal[2] = 2
    id: str = ""
    fleet: str
    stack: str
    created_at: AwareDatetime
    valid_until: AwareDatetime
    cutoff: AwareDatetime
    tiers: tuple[TierLine, ...]
    classes: tuple[ClassLine, ...]
    usd_per_hour_before: float
    usd_per_hour_after: float
    reasons: tuple[str, ...] = Field(
        (), description="Notes: guards that bound, fallbacks, stale prices, quality of the data."
    )
    models: dict[str, str] = Field(default_factory=dict, description="Application → model used.")
    skipped: tuple[str, ...] = Field((), description="Hypervisors that did not answer. Their VMs are not touched.")
    left_alone: tuple[str, ...] = Field((), description="VMs and groups with drift that the update does not touch.")
    drift: tuple[DriftLine, ...] = Field((), description="Differences between the state and what there was.")
    demoted: bool = Field(False, description="The plan uses a fallback forecast, so nothing is scaled down.")
    edited: bool = Field(
        False, description="The figures are those of a stack file edited by hand. Such a plan is only shown."
    )
    replay: bool = Field(False, description="Made with --as-of, for an earlier time.")
    blocked: dict[str, str] = Field(default_factory=dict, description="Tier → why nothing in it is scaled down.")
    forecast_note: str = Field(
        "", description="The model that made the forecast: the trained one, or a new one and why."
    )
    boot_seconds: dict[str, float] = Field(
        default_factory=dict, description="Tier on own hosts → seconds until a new VM is ready."
    )
    prices: dict[str, float] = Field(
        default_factory=dict, description="Option → USD/hour of one instance, as used by the sizing."
    )
    pins: dict[str, Any] = Field(
        default_factory=dict, description="`tiercast:pins` as far as it was in force when the plan was made."
    )
    config: dict[str, Any] = Field(description="Full key → value as rendered into the stack file.")
    binding: Binding | None = None
    signature: str = Field(
        "", description="SSH signature over all else, binding included. `tiercast approve` writes it."
    )

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes that people see below the tables: the reasons, then the model that made the forecast."""
        return (*self.reasons, *filter(None, [self.forecast_note]))

    def stack_config(self) -> StackConfig:
        """The stack configuration in the contract's own types, without encrypted values."""
        return parse({key.removeprefix("tiercast:"): value for key, value in self.config.items() if key in OWN_KEYS})

    def identified(self) -> PlanFile:
        """The same plan with its id, as `plan_id` computes it from the content."""
        return self.model_copy(update={"id": plan_id(self.model_dump(mode="json"))})


def parse_plan(raw: Any, location: str) -> PlanFile:
    """Read a plan file's value.

    Raises:
        InputError: the value is not a plan, has another version, or does not match its id.
    """
    version = raw.get("version", 1) if isinstance(raw, dict) and "tiers" in raw else VERSION
    if version != VERSION:
        raise InputError(
            location, f"a plan file of version {version}; expected version {VERSION}.", "Run `tiercast plan`."
        )
    try:
        plan = PlanFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "top"
        raise InputError(
            location, f"not a plan file ({where}: {first['msg']}).", "Create one with `tiercast plan`."
        ) from None
    if plan.identified().id != plan.id:
        raise InputError(
            location, f"the plan was edited: its content does not match its id {plan.id}.", "Run `tiercast plan`."
        )
    return plan


def config_values(config: StackConfig, provider: dict[str, Any]) -> dict[str, Any]:
    """Full key → value for the stack file: provider settings first (`aws:region`), then the contract's own keys."""
    ours = {f"tiercast:{key}": value for key, value in config.to_config().items() if key not in PERSONAL_KEYS}
    return {**provider, **ours}
