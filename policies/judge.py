"""Apply a rule to facts. An error that keeps the rule from judging is a violation, never a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from policies.resources import Undecidable
from policies.rule import Facts, Misconfigured, Rule, RuleSettings, Violation
from reconciler.errors import UserError
from stacks.faults import faults
from stacks.yaml_text import NOWHERE, Places, shown

S = TypeVar("S", bound=RuleSettings)


def read_settings(name: str, kind: type[S], raw: Mapping[str, Any], places: Places = NOWHERE) -> S:
    """A policy's settings from the pack's configuration; `places` are those of the configuration's keys.

    Raises:
        Misconfigured: a setting is not valid; the message names the policy, the key and its line.
    """
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        first = faults(error, raw, kind, camel=True)[0]
        line = places.line((name, *first.path))
        place = f" (line {line})" if line else ""
        raise Misconfigured(
            f"The pack's configuration of {name} is not valid at '{shown(first.path)}'{place}: {first.words}."
        ) from None


#: Pins that belong together: a policy with one of a group of its own takes none of that group from `provenance`.
_PINS = (("catalogueFile", "catalogueDigest"), ("forecastFile", "forecastDigest"), ("requirePin",))


def with_pins(kind: type[RuleSettings], raw: Mapping[str, Any], pins: Mapping[str, Any]) -> dict[str, Any]:
    """Raw settings with the pins of `provenance` where a policy knows such pins and has none of its own.

    The engine fills in the defaults of a policy's schema: a value that is the default is none of its own.
    """
    defaults = {field.alias or name: field.default for name, field in kind.model_fields.items()}
    found = dict(raw)
    for group in _PINS:
        if all(raw.get(key, defaults.get(key)) == defaults.get(key) for key in group):
            found |= {key: pins[key] for key in group if key in pins and key in defaults}
    return found


def judge(rule: Rule[Any], facts: Facts, settings: Mapping[str, Any]) -> list[Violation]:
    """All violations of a rule under raw settings, in the order in which the rule finds them."""
    found: list[Violation] = []
    try:
        found.extend(rule.decide(facts, _settings(rule, facts, settings)))
    except Undecidable as error:
        found.append(Violation(message=str(error), urn=error.urn))
    except UserError as error:
        found.append(Violation(message=str(error)))
    return found


def _settings(rule: Rule[S], facts: Facts, raw: Mapping[str, Any]) -> S:
    return read_settings(rule.name, rule.settings, with_pins(rule.settings, raw, facts.pins), facts.places)
