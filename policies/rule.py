"""The parts of a policy: a name, a level, typed settings, and a pure function from facts to violations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from policies.estate import Estate, survey
from policies.resources import Resource
from reconciler.errors import UserError
from reconciler.prices.catalogue import Catalogue, builtin, load_catalogue
from stacks.contract import StackConfig
from stacks.yaml_text import NOWHERE, Places

Level = Literal["advisory", "mandatory", "remediate"]
Severity = Literal["low", "medium", "high", "critical"]

#: Precedes the digest in the address of a file.
DIGEST = "#sha256="
#: The largest difference between the clock that wrote a time and the clock of the policy pack.
SKEW = timedelta(minutes=5)


class RuleSettings(BaseModel):
    """Base of a policy's settings: camelCase keys in the pack's configuration, unknown keys refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class PriceSettings(RuleSettings):
    """Settings of a policy that needs prices."""

    catalogue_file: str = Field(
        default="",
        description=(
            "Price catalogue: a path relative to the pack's folder, or s3://BUCKET/KEY; {stack}, {project} and {plan} are "
            "replaced; empty: tiercast's built-in table."
        ),
    )
    catalogue_digest: str = Field(default="", description="SHA-256 of the catalogue's contents, to pin the prices.")
    require_pin: bool = Field(default=True, description="Refuse where prices, or demand, are not pinned.")


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What is wrong, with numbers, and how to fix it. `urn` names the resource concerned; empty: the stack."""

    message: str
    urn: str = ""


class Misconfigured(UserError):
    """The policy's settings can't be used. It is reported as a violation: a policy that can't judge must refuse."""

    remedy = "Correct the policy pack's configuration."


T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The input of every policy.

    config: the stack's configuration, or None; `config_fault` then gives the reason.
    plain: configuration values that are not secret, text by full key.
    now: the current time, with a time zone.
    read: returns the contents of a file by its address (`policies.places`).
    pins: the settings of `provenance`, whose pins apply to every policy that sets none of its own.
    places: where the keys of the pack's configuration are, if it was read from a file.
    """

    project: str
    stack: str
    resources: tuple[Resource, ...]
    config: StackConfig | None
    config_fault: str
    plain: Mapping[str, str]
    now: datetime
    read: Callable[[str], bytes] = field(repr=False)
    pins: Mapping[str, Any] = field(default_factory=dict)
    places: Places = NOWHERE

    @cached_property
    def estate(self) -> Estate:
        """The stack's resources, counted; raises `Undecidable`."""
        return survey(self.resources)

    def require_config(self) -> StackConfig:
        """The stack's configuration; raises `Misconfigured` if it is not valid."""
        if self.config is None:
            raise Misconfigured(self.config_fault)
        return self.config

    def catalogue(self, settings: PriceSettings) -> Catalogue:
        """The pinned price catalogue; raises `Misconfigured` if it is not pinned or was changed."""
        if settings.require_pin and not (settings.catalogue_file or settings.catalogue_digest):
            raise Misconfigured(
                "No prices are pinned: set catalogueDigest of provenance in the pack's configuration (the built-in table, "
                f"once reviewed: {builtin().digest()}), or requirePin to false."
            )
        if not settings.catalogue_file:
            found = builtin()
        elif not settings.catalogue_digest:
            raise Misconfigured(
                "catalogueFile has no catalogueDigest, so its prices could be edited unnoticed. Set both."
            )
        else:
            found = load_catalogue(self.file(settings.catalogue_file), settings.catalogue_file)
        if settings.catalogue_digest and found.digest() != settings.catalogue_digest:
            raise Misconfigured(
                f"The price catalogue has digest {found.digest()}, the policy pack pins {settings.catalogue_digest}. "
                "The prices were changed. Review them, then pin the new digest in the pack's configuration."
            )
        return found

    def file(self, address: str) -> str:
        """Text of a file, by an address of `policies.places` with an optional `#sha256=DIGEST`.

        `{stack}`, `{project}` and `{plan}` are replaced by the names and the plan's id.

        Raises:
            Misconfigured: the file is absent, can't be read, or has another digest.
        """
        place, pinned, digest = self._named(address).partition(DIGEST)
        if pinned and not re.fullmatch("[0-9a-f]{64}", digest):
            raise Misconfigured(
                f"The address '{address}' has no valid digest: write {DIGEST} and the 64 hexadecimal digits of `sha256sum`."
            )
        try:
            content = self.read(place)
            if pinned and hashlib.sha256(content).hexdigest() != digest:
                raise Misconfigured(
                    f"The file '{place}' has the digest {hashlib.sha256(content).hexdigest()[:12]}…, the policy pack pins "
                    f"{digest[:12]}…. It was changed: review it, then pin the new digest in the pack's configuration."
                )
            return content.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"The policy pack can't read its file '{place}': {error}.") from None

    def _named(self, address: str) -> str:
        address = address.replace("{stack}", self.stack).replace("{project}", self.project)
        if "{plan}" not in address:
            return address
        name = self.require_config().plan.id
        if not re.fullmatch("[0-9a-f]{32}", name):  # it becomes a part of a path
            raise Misconfigured(
                f"The configuration names plan '{name}', which is not the id of a plan. Run `tiercast plan`."
            )
        return address.replace("{plan}", name)

    def json(self, path: str, kind: TypeAdapter[T], shape: str) -> T:
        """Contents of a JSON file; raises `Misconfigured`. `shape` describes the expected contents in messages."""
        try:
            return kind.validate_json(self.file(path))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            where = f" at '{key}'" if key else ""
            raise Misconfigured(f"The file '{path}' must hold {shape}{where}: {first['msg']}.") from None


S = TypeVar("S", bound=RuleSettings)
Decide = Callable[[Facts, S], Iterable[Violation]]


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[S]):
    """One policy over a whole stack.

    remedy: the general fix of a violation.
    lacks: returns the setting to add, such as "set maxUsdPerMonth", if the policy can't judge without it; else "".
    """

    name: str
    description: str
    severity: Severity
    remedy: str
    settings: type[S]
    decide: Decide[S]
    level: Level = "mandatory"
    lacks: Callable[[S], str] = lambda settings: ""  # noqa: ARG005 (most policies judge by their defaults)

    def schema(self) -> dict[str, Any]:
        """JSON schema of each setting by key, without references, as a policy pack declares it."""
        whole = self.settings.model_json_schema(by_alias=True)
        inlined = _inline(whole.get("properties", {}), whole.get("$defs", {}))
        assert isinstance(inlined, dict)
        return inlined


def _inline(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str):
            return _inline(definitions[reference.rpartition("/")[2]], definitions)
        return {key: _inline(value, definitions) for key, value in node.items() if key != "title"}
    if isinstance(node, list):
        return [_inline(value, definitions) for value in node]
    return node
