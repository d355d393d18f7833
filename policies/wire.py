"""Connects Pulumi's policy SDK to the rules: it builds `Facts` from the engine's calls and reports violations.

The SDK (pulumi-policy 1.21) hides three things from a Python pack. This module reads them from the engine's calls:
- `ConfigureStack` brings the stack's configuration and the list of its secret keys; the SDK drops both (the environment
  variable that it reads instead is set for packs without a language host only);
- `Configure` brings the settings of all policies; the SDK shows each policy its own, and the pins of `provenance` hold for all;
- `AnalyzeStack` shows a resource's *outputs*; its inputs are in the `Analyze` call before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pulumi_policy as sdk
from google.protobuf import json_format
from pulumi_policy import policy as sdk_policy
from pulumi_policy import proxy, secret
from pulumi_policy.deserialize import deserialize_properties

from policies import provenance, tagging
from policies.judge import judge
from policies.places import reader
from policies.resources import UNKNOWN, Resource
from policies.rule import Facts, Rule
from stacks.contract import MISSING, ContractError, StackConfig, from_engine, parse

_SENTINELS = frozenset(
    {
        proxy.UNKNOWN_BOOLEAN_VALUE,
        proxy.UNKNOWN_NUMBER_VALUE,
        proxy.UNKNOWN_STRING_VALUE,
        proxy.UNKNOWN_ARRAY_VALUE,
        proxy.UNKNOWN_ASSET_VALUE,
        proxy.UNKNOWN_ARCHIVE_VALUE,
        proxy.UNKNOWN_OBJECT_VALUE,
    }
)
_PROXIES = (proxy._DictProxy, proxy._ListProxy, secret._DictSecretsProxy, secret._ListSecretsProxy)


@dataclass(kw_only=True)
class Session:
    """The data that one engine run has sent to the pack so far."""

    folder: Path
    clock: Callable[[], datetime]
    config: Mapping[str, str] = field(default_factory=dict)
    secret_keys: frozenset[str] = frozenset()
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    pins: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read = reader(self.folder)

    def facts(self, resources: Sequence[sdk.PolicyResource]) -> Facts:
        """The input of the rules."""
        config, fault = read_config(self.config, self.secret_keys)
        return Facts(
            project=_part(resources, 1),
            stack=_part(resources, 0).rpartition(":")[2],
            resources=tuple(self.resource(one) for one in resources if self.declared(one.urn)),
            config=config,
            config_fault=fault,
            plain={key: text for key, text in self.config.items() if key not in self.secret_keys},
            now=self.clock(),
            read=self.read,
            pins=self.pins,
        )

    def declared(self, urn: str) -> bool:
        """Whether the program declares a resource; where no program ran (`pulumi policy analyze`), what is there counts.

        After a refresh the engine also lists the resources that it is about to delete, without an `Analyze` call for them.
        """
        return not self.inputs or urn in self.inputs

    def resource(self, seen: sdk.PolicyResource) -> Resource:
        """One resource with its recorded inputs, or those of its state where no program ran."""
        state = plain(seen.props)
        inputs = dict(self.inputs.get(seen.urn, state))
        ignored = frozenset(seen.opts.ignore_changes)
        # An ignored property keeps the value that the state has.
        inputs |= {key: state[key] for key in ignored if state.get(key) not in (None, UNKNOWN)}
        return Resource(
            urn=seen.urn,
            type=seen.resource_type,
            name=seen.name,
            inputs=inputs,
            ignored=ignored,
            provider_name=seen.provider.name if seen.provider is not None else "",
            provider=plain(seen.provider.props) if seen.provider is not None else {},
            newest=_whole(state.get("latestVersion")),
            physical=state["arn"].rpartition("/")[2] if isinstance(state.get("arn"), str) else "",
            depends={key: tuple(r.urn for r in found) for key, found in seen.property_dependencies.items()},
        )


def _whole(value: Any) -> str:
    """A number of the engine, which sends 3 as 3.0, as text; "" where it is none."""
    return str(int(value)) if isinstance(value, int | float) else ""


def read_config(values: Mapping[str, str], secret_keys: Collection[str] = ()) -> tuple[StackConfig | None, str]:
    """The stack's configuration, or None and the reason. Messages do not show values of `secret_keys` (full keys)."""
    raw = from_engine(values)
    if not raw:
        return None, MISSING
    try:
        return parse(raw, secret_keys={key.partition(":")[2] for key in secret_keys}), ""
    except ContractError as error:
        return None, f"The stack configuration is not valid. {error}"


def plain(value: Any) -> Any:
    """A value without the SDK's proxies, secrets unwrapped, unknowns as `UNKNOWN`."""
    if isinstance(value, _PROXIES):
        return plain(value["__target"])
    if isinstance(value, secret.Secret):
        return plain(value.value)
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def stack_policy(rule: Rule[Any], session: Session) -> sdk.StackValidationPolicy:
    """A rule as a policy of the SDK."""

    def validate(args: sdk.StackValidationArgs, report: sdk.ReportViolation) -> None:
        for violation in judge(rule, session.facts(args.resources), args.get_config()):
            report(violation.message, violation.urn or None)

    return sdk.StackValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=sdk.EnforcementLevel(rule.level),
        config_schema=sdk.PolicyConfigSchema(properties=rule.schema()),
        severity=sdk.Severity(rule.severity),
        remediation_steps=rule.remedy,
        tags=["tiercast"],
    )


def tag_policy() -> sdk.ResourceValidationPolicy:
    """`required-tags`: adds missing tags with a known value and refuses the others."""

    def remediate(args: sdk.ResourceValidationArgs) -> Any:
        settings = tagging.RequiredTags.model_validate(dict(args.get_config()))
        more = tagging.added(_single(args), settings)
        if not more:
            return None
        # The raw values keep unknown and secret values unchanged.
        raw = dict(args.props["__target"]) if isinstance(args.props, _PROXIES) else dict(args.props)
        raw["tags"] = tagging.with_tags(args.resource_type, _raw(raw.get("tags")), more)
        return raw

    def validate(args: sdk.ResourceValidationArgs, report: sdk.ReportViolation) -> None:
        settings = tagging.RequiredTags.model_validate(dict(args.get_config()))
        names = tagging.missing(_single(args), settings)
        if names:
            report(tagging.sentence(names), None)

    rule = tagging.RULE
    return sdk.ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        remediate=remediate,
        enforcement_level=sdk.EnforcementLevel(rule.level),
        config_schema=sdk.PolicyConfigSchema(properties=rule.schema()),
        severity=sdk.Severity(rule.severity),
        remediation_steps=rule.remedy,
        tags=["tiercast"],
    )


def serve(rules: Sequence[Rule[Any]], folder: Path) -> None:
    """Answer the engine until it ends the process."""
    session = Session(folder=folder, clock=lambda: datetime.now(UTC), config=pulumi.runtime.get_config_env())
    _listen(session)
    sdk.PolicyPack(
        name="tiercast",
        enforcement_level=sdk.EnforcementLevel.MANDATORY,
        policies=[*(stack_policy(rule, session) for rule in rules), tag_policy()],
    )


def _listen(session: Session) -> None:
    """Make the SDK's server pass `session` the data that it drops; see the module's docstring."""

    class Analyzer(sdk_policy._PolicyAnalyzerServicer):
        def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802 (the name of the RPC)
            if provenance.RULE.name in request.policyConfig:
                session.pins = json_format.MessageToDict(request.policyConfig[provenance.RULE.name].properties)
            return super().Configure(request, context)  # type: ignore[no-untyped-call]

        def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802 (the name of the RPC)
            session.config = dict(request.config)
            session.secret_keys = frozenset(request.config_secret_keys)
            return super().ConfigureStack(request, context)

        def Analyze(self, request: Any, context: Any) -> Any:  # noqa: N802
            inputs = deserialize_properties(json_format.MessageToDict(request.properties))
            session.inputs[request.urn] = plain(inputs)
            return super().Analyze(request, context)  # type: ignore[no-untyped-call]

    sdk_policy._PolicyAnalyzerServicer = Analyzer  # type: ignore[misc]


def _single(args: sdk.ResourceValidationArgs) -> Resource:
    return Resource(urn=args.urn, type=args.resource_type, name=args.name, inputs=plain(args.props))


def _raw(tags: Any) -> Any:
    return tags["__target"] if isinstance(tags, _PROXIES) else tags


def _part(resources: Sequence[sdk.PolicyResource], index: int) -> str:
    """A part of the URNs, which all start with `urn:pulumi:<stack>::<project>::`."""
    return resources[0].urn.split("::")[index] if resources else ""
