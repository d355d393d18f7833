"""Recognises values that are secrets. The fleet file's reader, the policies and the printing of text share it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Patterns of values that are secrets under any key.
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

#: Keys whose values are secrets if they have at least `SHORTEST` characters.
NAMES = re.compile(r"(?i)(password|passwd|passphrase|secret_?key|private_?key|access_?key|token|credentials?)$")
SHORTEST = 8


def plain_secrets(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """The places where a YAML or JSON value holds a secret, and its kind: `("hot.boot.userData", "a private key")`."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from plain_secrets(f"{place}.{key}" if place else str(key), one)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from plain_secrets(f"{place}[{number}]", one)
    elif isinstance(value, str):
        if len(value) >= SHORTEST and NAMES.search(place):
            yield place, "a secret"
            return
        for what, shape in SHAPES.items():
            if shape.search(value):
                yield place, what
                return
