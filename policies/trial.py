"""Try the pack on a configuration without an engine: run the program, collect its resources, judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from policies import cost, provenance, tagging
from policies.judge import judge, read_settings, with_pins
from policies.pack_config import PackConfig
from policies.pricing import most
from policies.rehearsal import rehearse
from policies.resources import Undecidable
from policies.rule import Facts, Rule, Violation
from reconciler.errors import UserError
from stacks.contract import MISSING, ContractError, StackConfig, parse
from stacks.yaml_text import NOWHERE


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """The verdict of one policy.

    lacking: the setting to add, such as "set maxUsdPerMonth", if the policy could not judge without it; else "".
    """

    name: str
    level: str
    severity: str
    violations: tuple[Violation, ...]
    lacking: str = ""

    @property
    def status(self) -> str:
        """One of pass, refuse, advise, not configured."""
        if self.violations:
            return "refuse" if self.refuses else "advise"
        return "not configured" if self.lacking else "pass"

    @property
    def refuses(self) -> bool:
        """Whether its violations stop an update."""
        return bool(self.violations) and self.level in ("mandatory", "remediate")


@dataclass(frozen=True, kw_only=True)
class StackUnderTrial:
    """The content of a stack file.

    values: values under `tiercast:` without the prefix.
    plain: all values that are not secret, by full key.
    secret_keys: full keys of the secrets.
    provider: values such as `aws:region`.
    """

    project: str
    stack: str
    values: Mapping[str, Any]
    plain: Mapping[str, str]
    secret_keys: frozenset[str]
    provider: Mapping[str, Any]


def facts_of(
    trial: StackUnderTrial, *, now: datetime, read: Callable[[str], bytes], pack: PackConfig | None = None
) -> Facts:
    """Facts about the resources that the program declares; no resources if the configuration is not valid."""
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
        pins=pack.settings.get(provenance.RULE.name, {}) if pack is not None else {},
        places=pack.places if pack is not None else NOWHERE,
    )


def verdicts(facts: Facts, rules: Sequence[Rule[Any]], config: PackConfig) -> list[TrialResult]:
    """The verdict of each policy, `required-tags` last. Disabled policies are omitted."""
    return [
        TrialResult(
            name=rule.name,
            level=level,
            severity=rule.severity,
            violations=tuple(judge(_at(rule, level), facts, config.settings.get(rule.name, {}))),
            lacking=_lacking(rule, config.settings.get(rule.name, {})),
        )
        for rule in (*rules, tagging.RULE)
        if (level := config.levels.get(rule.name, rule.level)) != "disabled"
    ]


def _lacking(rule: Rule[Any], settings: Mapping[str, Any]) -> str:
    try:
        return rule.lacks(read_settings(rule.name, rule.settings, settings))
    except UserError:  # settings that are not valid are already a violation
        return ""


def _at(rule: Rule[Any], level: str) -> Rule[Any]:
    """The rule as the engine would run it at a level: tags are added at `remediate` only."""
    bare = rule is tagging.RULE and level != "remediate"
    return replace(rule, decide=partial(tagging.decide, remedied=False)) if bare else rule


def usd_per_hour_at_most(facts: Facts, settings: Mapping[str, Any]) -> float | None:
    """Highest possible cost of the stack as `cost-ceiling` counts it, USD/hour; None if it can't be computed."""
    try:
        bill = read_settings(cost.RULE.name, cost.CostCeiling, with_pins(cost.CostCeiling, settings, facts.pins))
        return most(facts.estate, facts.catalogue(bill), bill.commitments).usd_per_hour
    except (Undecidable, UserError):
        return None


def _parsed(values: Mapping[str, Any]) -> tuple[StackConfig | None, str]:
    if not values:
        return None, MISSING
    try:
        return parse(values), ""
    except ContractError as error:
        return None, f"The stack configuration is not valid. {error}"
