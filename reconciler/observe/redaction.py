"""Remove secrets and terminal control characters from the text of other programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stacks.plain_secrets import SHAPES

#: The text that replaces a secret.
HIDDEN = "[secret]"

#: Shorter values are not hidden: they can be ordinary words, and every occurrence would be replaced.
SHORTEST = 6

_KEPT_GROUP = {
    "a password in a URI": (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{HIDDEN}@"),
    "a private key": (
        re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(-----END [A-Z ]*-----|$)", re.DOTALL),
        HIDDEN,
    ),
    "an assigned password or token": (
        re.compile(r"(?i)(\b\w*(?:password|passwd|passphrase|secret|token|api_?key)\s*[=:]\s*['\"]?)[^\s'\"]{6,}"),
        rf"\1{HIDDEN}",
    ),
}

#: Control characters except newline and tab, and the marks that reverse the direction of text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """The text with every known secret, and everything that looks like a secret, replaced by `[secret]`.

    `known` holds values that are secret in any form. Values shorter than `SHORTEST` are not replaced.
    """
    for value in sorted(set(known), key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    for what, shape in SHAPES.items():
        pattern, instead = _KEPT_GROUP.get(what, (shape, HIDDEN))
        text = pattern.sub(instead, text)
    return text


def printable(text: str) -> str:
    """The text with `�` for every character that moves the cursor, changes colours or reverses the text."""
    return _OBEYED.sub("\ufffd", text)
