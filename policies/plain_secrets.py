"""no-plain-secrets: the stack's configuration holds no secret in plain text. Messages never show the value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.plain_secrets import plain_secrets


class PlainSecrets(RuleSettings):
    """Exceptions."""

    allowed: tuple[str, ...] = Field(default=(), description="Full keys (aws:secretKey) that may hold plain text.")


def decide(facts: Facts, settings: PlainSecrets) -> Iterator[Violation]:
    """One violation per place that holds a secret."""
    for key, text in sorted(facts.plain.items()):
        if key in settings.allowed:
            continue
        for place, what in dict.fromkeys(plain_secrets(key, _decoded(text))):
            yield Violation(
                message=(
                    f"{place} holds {what} in plain text. Issue a new secret, because the old one stays in the "
                    f"history, and store it with `pulumi config set --secret {key}` or in a secret store."
                )
            )


def _decoded(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) and text[:1] in "[{" else text
    except json.JSONDecodeError:
        return text


RULE = Rule(
    name="no-plain-secrets",
    description="The stack's configuration holds no secret in plain text.",
    severity="critical",
    remedy="Issue a new secret and store it encrypted with `pulumi config set --secret`.",
    settings=PlainSecrets,
    decide=decide,
)
