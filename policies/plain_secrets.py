"""no-plain-secrets: no secret is in plain text in the stack's configuration. Values are never shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation

#: What a value looks like that is a secret wherever it stands.
SHAPES = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in a URI": re.compile(r"://[^/\s:@]+:[^/\s@{$<]+@"),
    "a personal access token": re.compile(
        r"\b(gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|pul-[0-9a-f]{40})"
    ),
    "an assigned password or token": re.compile(
        r"(?i)(?<![:/\w])\w*(password|passwd|passphrase|secret|token|api_?key)\s*[=:]\s*['\"]?(?!arn:|ssm:|file:)[\w/+.~-]{8,}"
    ),
}

#: Keys whose values are secrets, whatever they look like, from a length at which they can be one.
NAMES = re.compile(r"(?i)(password|passwd|passphrase|secret_?key|private_?key|access_?key|token|credentials?)$")
SHORTEST = 8


class PlainSecrets(RuleSettings):
    """Exceptions."""

    allowed: tuple[str, ...] = Field(default=(), description="Full keys (aws:secretKey) that may be plain.")


def decide(facts: Facts, settings: PlainSecrets) -> Iterator[Violation]:
    """One violation per place that holds a secret."""
    for key, text in sorted(facts.plain.items()):
        if key in settings.allowed:
            continue
        for place, what in dict.fromkeys(_found(key, _decoded(text))):
            yield Violation(
                message=(
                    f"{place} holds {what} in plain text. Replace it, then store it with `pulumi config set --secret` "
                    f"(or let {key} refer to a secret store); change the secret, for it is in the history."
                )
            )


def _found(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _found(f"{place}.{key}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _found(f"{place}[{number}]", one)
    elif isinstance(value, str):
        if len(value) >= SHORTEST and NAMES.search(place):
            yield place, "a secret"
            return
        for what, shape in SHAPES.items():
            if shape.search(value):
                yield place, what
                return


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
