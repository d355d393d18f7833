"""Apply a rule to facts. An error that keeps the rule from judging is a violation, never a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from policies.resources import Undecidable
from policies.rule import Facts, Misconfigured, Rule, RuleSettings, Violation
from reconciler.errors import UserError

S = TypeVar("S", bound=RuleSettings)


def read_settings(name: str, kind: type[S], raw: Mapping[str, Any]) -> S:
    """A policy's settings from the pack's configuration.

    Raises:
        Misconfigured: a setting is not valid; the message names the policy and the key.
    """
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Misconfigured(f"The pack's configuration of {name} is not valid at '{key}': {first['msg']}.") from None


def judge(rule: Rule[Any], facts: Facts, settings: Mapping[str, Any]) -> list[Violation]:
    """All violations of a rule under raw settings, in the order in which the rule finds them."""
    found: list[Violation] = []
    try:
        found.extend(rule.decide(facts, read_settings(rule.name, rule.settings, settings)))
    except Undecidable as error:
        found.append(Violation(message=str(error), urn=error.urn))
    except UserError as error:
        found.append(Violation(message=str(error)))
    return found
