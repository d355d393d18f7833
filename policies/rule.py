"""The parts of a policy: a name, a level, typed settings, and a pure function from facts to violations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import PurePath
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
            "Price catalogue, relative to the pack's folder; {stack} and {project} are replaced by their names; empty: "
            "tiercast's built-in table."
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
    read: returns the text of a file, by path relative to the pack's folder.
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
    read: Callable[[PurePath], str] = field(repr=False)
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

    def file(self, path: str) -> str:
        """Text of a file; raises `Misconfigured`. `{stack}` and `{project}` in the path are replaced by their names."""
        path = path.replace("{stack}", self.stack).replace("{project}", self.project)
        try:
            return self.read(PurePath(path))
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"The policy pack can't read its file '{path}': {error}.") from None

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
