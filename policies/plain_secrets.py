"""no-plain-secrets: no secret is in plain text in the stack's configuration. Values are never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.plain_secrets import plain_secrets


class PlainSecrets(RuleSettings):
    """Exceptions."""

    allowed: tuple[str, ...] = Field(default=(), description="Full keys (aws:secretKey) that may be plain.")


def decide(facts: Facts, settings: PlainSecrets) -> Iterator[Violation]:
    """One violation per place that holds a secret."""
    for key, text in sorted(facts.plain.items()):
        if key in settings.allowed:
            continue
        for place, what in dict.fromkeys(plain_secrets(key, _decoded(text))):
            yield Violation(
                message=(
                    f"{place} holds {what} in plain text. Replace it, then store it with `pulumi config set --secret` "
                    f"(or let {key} refer to a secret store); change the secret, for it is in the history."
                )
            )


def _decoded(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) and text[:1] in "[{" else text
    except json.JSONDecodeError:
        return text


RULE = Rule(
    name="no-plain-secrets",
    description="No secret is in plain text in the stack's configuration.",
    severity="critical",
    remedy="Store it encrypted with `pulumi config set --secret`, and change it.",
    settings=PlainSecrets,
    decide=decide,
)
