"""Try the pack on a configuration without an engine: run the program, collect its resources, judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from policies import cost, tagging
from policies.judge import judge, read_settings
from policies.pack_config import PackConfig
from policies.pricing import most
from policies.rehearsal import rehearse
from policies.resources import Undecidable
from policies.rule import Facts, Misconfigured, Rule, Violation
from reconciler.errors import UserError
from stacks.contract import MISSING, ContractError, StackConfig, parse


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one policy says; `refuses` where it would stop an update."""

    name: str
    level: str
    severity: str
    violations: tuple[Violation, ...]

    @property
    def refuses(self) -> bool:
        """Whether its violations stop an update."""
        return bool(self.violations) and self.level in ("mandatory", "remediate")


@dataclass(frozen=True, kw_only=True)
class StackUnderTrial:
    """A stack file's content: values under `tiercast:` without the prefix, all plain values, keys that are secret."""

    project: str
    stack: str
    values: Mapping[str, Any]
    plain: Mapping[str, str]
    secret_keys: frozenset[str]
    provider: Mapping[str, Any]


def facts_of(trial: StackUnderTrial, *, now: datetime, read: Callable[[PurePath], str]) -> Facts:
    """Facts about the resources that the program would declare; none where the configuration is not valid."""
    config, fault = _parsed(trial.values)
    resources = (
        ()
        if config is None
        else rehearse(
            config,
            project=trial.project,
            stack_name=trial.stack,
            secret_keys=trial.secret_keys,
            provider_config=trial.provider,
        )
    )
    return Facts(
        project=trial.project,
        stack=trial.stack,
        resources=resources,
        config=config,
        config_fault=fault,
        plain=trial.plain,
        now=now,
        read=read,
    )


def verdicts(facts: Facts, rules: Sequence[Rule[Any]], config: PackConfig) -> list[Verdict]:
    """What each policy says, `required-tags` last; disabled ones are left out."""
    found = [
        Verdict(
            name=rule.name,
            level=level,
            severity=rule.severity,
            violations=tuple(judge(rule, facts, config.settings.get(rule.name, {}))),
        )
        for rule in rules
        if (level := config.levels.get(rule.name, rule.level)) != "disabled"
    ]
    level = config.levels.get(tagging.NAME, "remediate")
    if level != "disabled":
        tags = tuple(_tag_violations(facts, config.settings.get(tagging.NAME, {}), remedied=level == "remediate"))
        found.append(Verdict(name=tagging.NAME, level=level, severity="medium", violations=tags))
    return found


def usd_per_hour_at_most(facts: Facts, settings: Mapping[str, Any]) -> float | None:
    """Upper bound of the stack's cost as `cost-ceiling` counts it; None where it can't be told."""
    try:
        bill = read_settings(cost.RULE.name, cost.CostCeiling, settings)
        return most(facts.estate, facts.catalogue(bill), bill.commitments).usd_per_hour
    except (Undecidable, Misconfigured, UserError):
        return None


def _tag_violations(facts: Facts, raw: Mapping[str, Any], *, remedied: bool) -> list[Violation]:
    try:
        settings = read_settings(tagging.NAME, tagging.RequiredTags, raw)
    except Misconfigured as error:
        return [Violation(message=str(error))]
    found = []
    for resource in facts.resources:
        added = tagging.added(resource, settings) if remedied else {}
        names = [name for name in tagging.missing(resource, settings) if name not in added]
        if names:
            found.append(Violation(message=f"{resource.name}: {tagging.sentence(names)}", urn=resource.urn))
    return found


def _parsed(values: Mapping[str, Any]) -> tuple[StackConfig | None, str]:
    if not values:
        return None, MISSING
    try:
        return parse(values), ""
    except ContractError as error:
        return None, f"The stack configuration is not valid. {error}"
