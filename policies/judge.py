"""Apply a rule to facts: whatever keeps it from judging is a violation, never a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from policies.resources import Undecidable
from policies.rule import Facts, Misconfigured, Rule, Violation
from reconciler.errors import UserError


def judge(rule: Rule[Any], facts: Facts, settings: Mapping[str, Any]) -> list[Violation]:
    """All violations of a rule under raw settings, in the order in which the rule finds them."""
    try:
        typed = rule.settings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return [Violation(message=f"The pack's configuration of {rule.name} is wrong at '{key}': {first['msg']}.")]
    found: list[Violation] = []
    try:
        found.extend(rule.decide(facts, typed))
    except Undecidable as error:
        found.append(Violation(message=str(error), urn=error.urn))
    except (Misconfigured, UserError) as error:
        found.append(Violation(message=str(error)))
    return found
