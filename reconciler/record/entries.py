"""Entries of the ledger, one class per event, and how their JSON is read.

    Entry
    ├── Decided     plan, shadow   observed, wanted and planned sizes, the guards that bound, and the reasons
    ├── Previewed   preview        what the engine would change, and the violations of policies
    ├── Signed      approved       who signed a plan
    ├── NotApplied  held           why a plan was not applied automatically
    ├── Started     up             an update began; without a later `applied` or `failed` it was interrupted
    ├── Applied     applied        what was done, resource by resource
    ├── Failed      failed         what was done before the update stopped, and why it stopped
    ├── Settled     settled        what killed updates had left: adopted, removed or released before an update
    ├── SetByHand   pin …          a person pinned a tier, froze the sizes, or removed one of both (also `freeze`, `unpin`)
    ├── HandedOver  adopt, release resources that came into the stack, or left it, as they are
    ├── Scored      scored         how a shadow plan would have served what arrived, compared with what ran
    └── Repaired    repaired       a crash cut a line short, and the line was ended

Entries from before versions existed (without `version`) are readable. They hold the tiers' sizes but no reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reconciler.record.lift import lifted

#: Version that this code writes. A newer one is read as far as its fields are known.
VERSION = 2

#: How the paths of a run are kept.
Precision = Literal["exact", "float32", "left out"]


class Part(BaseModel):
    """Base: frozen. Unknown keys come from a newer version and are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TierEntry(Part):
    """One tier: instances and USD/hour before and after, and the binding constraint."""

    before: int
    after: int
    usd_before: float | None = None
    usd_after: float | None = None
    reason: str = ""


class OptionEntry(Part):
    """One option: instances observed, wanted by the sizing, and planned: those that run after the update. USD/hour of one."""

    observed: int
    wanted: int
    planned: int
    usd_per_hour: float


class GuardEntry(Part):
    """A guard that bound in a tier; `changed`: option → its count before and after this guard."""

    guard: str
    tier: str
    text: str
    changed: dict[str, tuple[int, int]] = Field(default_factory=dict)


class ClassEntry(Part):
    """One QoS class: shares of late requests, latency at the percentile (None: not in time), P(demand > served in time)."""

    promised_share: float
    allowed_share: float
    latency_target_ms: float
    latency_ms: float | None
    expected_share: float
    shortfall_probability: float


class PolicyEntry(Part):
    """A violation of a policy."""

    policy: str = ""
    level: str = "mandatory"
    message: str
    resource: str = ""


class ResourceEntry(Part):
    """One operation of the engine on one resource; `keys` are the inputs that differ."""

    op: str
    urn: str
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's own name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def type(self) -> str:
        """The resource's type, without those of its parents."""
        return self.urn.split("::")[-2].rsplit("$", 1)[-1] if self.urn.count("::") > 1 else ""


class KeptInputs(Part):
    """The inputs of a run in their file: bytes, and how the forecast's paths are kept."""

    file: str
    bytes: int
    paths: Precision


class Entry(Part):
    """An entry of any event. `plan` is empty if the entry belongs to no plan."""

    events: ClassVar[tuple[str, ...]] = ()

    version: int = VERSION
    at: AwareDatetime
    event: str
    plan: str = ""


class Decided(Entry):
    """A decision with its inputs and reasons. `forecast` is the digest of the demand section, `notes` those of the plan."""

    events = ("plan", "shadow")

    seed: int = 0
    as_of: AwareDatetime | None = None
    replay: bool = Field(False, description="Decided for an earlier time (`--as-of`).")
    cutoff: AwareDatetime | None = None
    forecast: str = ""
    catalogue: str = ""
    models: dict[str, str] = Field(default_factory=dict)
    demoted: bool = False
    status: str = ""
    tiers: dict[str, TierEntry] = Field(default_factory=dict)
    options: dict[str, OptionEntry] = Field(default_factory=dict)
    guards: tuple[GuardEntry, ...] = ()
    classes: dict[str, ClassEntry] = Field(default_factory=dict)
    usd_per_hour: tuple[float, float] | None = Field(None, description="Before and after.")
    slots_added: tuple[str, ...] = ()
    slots_removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    drift: dict[str, int] = Field(default_factory=dict, description="Differences between state and world, by kind.")
    inputs: KeptInputs | None = None


class Previewed(Entry):
    """What the engine would change, and the violations of policies. `no_policies`: no policy pack ran."""

    events = ("preview",)

    verdict: str = ""
    no_policies: bool = False
    violations: tuple[PolicyEntry, ...] = ()
    resources: tuple[ResourceEntry, ...] = ()


class Signed(Entry):
    """A person signed a plan. `key`: fingerprint of the SSH key."""

    events = ("approved",)

    key: str = ""


class NotApplied(Entry):
    """Why a plan was not applied automatically."""

    events = ("held",)

    why: tuple[str, ...] = ()


class Started(Entry):
    """An update began. `steps`: resources that it will change; `no_policies`: no policy pack ran; `approval`: who approved it;
    `dips`: losses of ready capacity that were allowed."""

    events = ("up",)

    steps: int = 0
    no_policies: bool = False
    dips: tuple[str, ...] = ()
    approval: str = ""


class Applied(Entry):
    """What an update did. `tiers` is copied from the plan."""

    events = ("applied",)

    steps: int = 0
    tiers: dict[str, TierEntry] = Field(default_factory=dict)
    resources: tuple[ResourceEntry, ...] = ()


class Failed(Applied):
    """What an update did before it stopped, and why it stopped."""

    events = ("failed",)

    error: str = ""


class Settled(Entry):
    """What killed updates had left, and what was done about it before an update: one sentence each."""

    events = ("settled",)

    lines: tuple[str, ...] = ()


class SetByHand(Entry):
    """A person set or removed a pin or the freeze. `what`: the tier, or "freeze"; `by`: user@host with git's identity."""

    events = ("pin", "freeze", "unpin")

    what: str = ""
    count: int | None = None
    until: AwareDatetime | None = None
    reason: str = ""
    by: str = ""


class HandedOver(Entry):
    """Resources came into the stack without being created, or left it without being deleted. `by`: user@host."""

    events = ("adopt", "release")

    resources: tuple[str, ...] = ()
    by: str = ""


class ScoredClass(Part):
    """A QoS class in a scored window: its requests, and those late with the shadow plan's sizes and with what ran."""

    promised_share: float
    requests: float
    late_shadow: float
    late_actual: float


class Scored(Entry):
    """How a shadow plan would have served the demand of its window, compared with what ran.

    `steps` of the window, and `known_steps` of them with known demand; `usd` of the shadow plan and of what ran.
    """

    events = ("scored",)

    start: AwareDatetime
    end: AwareDatetime
    steps: int
    known_steps: int
    usd: tuple[float, float]
    classes: dict[str, ScoredClass] = Field(default_factory=dict)
    demoted: bool = False


class Repaired(Entry):
    """A line of the ledger was cut short after `bytes` bytes, and was ended."""

    events = ("repaired",)

    bytes: int = 0
    text: str = ""


#: What people and repairs did beside plans and updates.
Act = Signed | Settled | SetByHand | HandedOver
AnyEntry = Decided | Previewed | NotApplied | Started | Applied | Failed | Scored | Repaired | Act

_KINDS: Mapping[str, type[Entry]] = {event: kind for kind in get_args(AnyEntry) for event in kind.events}


def parse(raw: Any) -> Entry | None:
    """The entry in a line's value, or None if it is not an entry. An entry whose fields do not match its event is read as a
    bare `Entry`."""
    if not isinstance(raw, dict) or not isinstance(raw.get("event"), str):
        return None
    current = lifted(raw) if "version" not in raw else raw
    for kind in (_KINDS.get(raw["event"], Entry), Entry):
        try:
            return kind.model_validate(current)
        except ValidationError:
            continue
    return None
