"""Messages about mistakes in a fleet file: the key as the file spells it, and the value that was expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

#: Error type of pydantic → the message that the user reads.
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "too_short": "is empty; name at least one",
    "timezone_aware": "has no time zone; end the time with Z or an offset such as +01:00",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
}


def faults(error: ValidationError, raw: Any) -> str:
    """One clause per mistake, `key: what is wrong`, joined by semicolons. `raw` is the content of the file."""
    return "; ".join(dict.fromkeys(f"{key}: {words}" if key else words for key, words in _clauses(error, raw)))


def _clauses(error: ValidationError, raw: Any) -> list[tuple[str, str]]:
    """(key, message) of each mistake. Where a value may have several forms, only the closest form is reported."""
    forms: dict[str, dict[str, list[tuple[str, str]]]] = {}
    plain: list[tuple[str, str]] = []
    for one in error.errors():
        key, form, parent = _key(one["loc"], raw)
        said = (key, _WORDS.get(one["type"], one["msg"].removeprefix("Value error, ").removeprefix("Input ")))
        if form:
            forms.setdefault(parent, {}).setdefault(form, []).append(said)
        else:
            plain.append(said)
    for parent, by_form in forms.items():
        if all(key == parent for found in by_form.values() for key, _ in found):
            plain.append((parent, " or ".join(dict.fromkeys(words for f in by_form.values() for _, words in f))))
        else:
            fewest = min(len(found) for found in by_form.values())
            plain += next(found for found in by_form.values() if len(found) == fewest)
    # A list whose members are wrong also counts as empty.
    return [f for f in plain if f[1] != _WORDS["too_short"] or not any(k.startswith(f"{f[0]}[") for k, _ in plain)]


def _key(location: Sequence[int | str], raw: Any) -> tuple[str, str, str]:
    """The dotted key in the file, the form that was tried ("" where only one exists), and the key with several forms.

    Where a value may have several forms, pydantic's locations also hold names of our models. The file holds none of
    these names, so they are left out of the key.
    """
    key, form, parent, node = "", "", "", raw
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
            node = node[part] if isinstance(node, Sequence) and part < len(node) else None
        elif isinstance(node, dict) and (part in node or _plain_word(part)):
            # A missing key is reported in the spelling of the example: words joined by underscores.
            said = part if part in node else re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower()
            key += f".{said}" if key else said
            node = node.get(part)
        else:
            form, parent = part, key
    return key, form, parent


def _plain_word(part: str) -> bool:
    """Whether `part` can be a missing key: model names are capitalised, and pydantic's own words contain symbols."""
    return part.replace("_", "").isalnum() and part[:1].islower()
