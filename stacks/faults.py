"""Messages about mistakes in a file that people write: the line, the key as the file spells it, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from stacks.yaml_text import NOWHERE, Places, at, shown

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

Path = tuple[int | str, ...]


@dataclass(frozen=True)
class Fault:
    """One mistake: the key's path in the file (empty: the whole file) and what is wrong with it."""

    path: Path
    words: str

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.words}" if self.path else self.words


def faults(error: ValidationError, raw: Any, model: type[BaseModel], *, camel: bool = False) -> list[Fault]:
    """The mistakes that pydantic found in `raw`, the content of a file that `model` describes, each once.

    `camel`: the file's keys are in camelCase, as in a stack file; else they are in snake_case.
    """
    forms: dict[Path, dict[str, list[Fault]]] = {}
    plain: list[Fault] = []
    for one in error.errors():
        path, form, parent = _path(one["loc"], raw)
        words = _WORDS.get(one["type"], one["msg"].removeprefix("Value error, ").removeprefix("Input "))
        if one["type"] == "extra_forbidden":
            words += _meant(model, one["loc"], camel=camel)
        fault = Fault(path, words)
        if form:
            forms.setdefault(parent, {}).setdefault(form, []).append(fault)
        else:
            plain.append(fault)
    # Where a value may have several forms, only the closest form is reported.
    for parent, by_form in forms.items():
        if all(fault.path == parent for found in by_form.values() for fault in found):
            plain.append(Fault(parent, " or ".join(dict.fromkeys(f.words for form in by_form.values() for f in form))))
        else:
            fewest = min(len(found) for found in by_form.values())
            plain += next(found for found in by_form.values() if len(found) == fewest)
    # A list whose members are wrong also counts as empty.
    return [
        f
        for f in dict.fromkeys(plain)
        if f.words != _WORDS["too_short"] or not any(o.path[:-1] == f.path and o != f for o in plain if o.path)
    ]


def located(found: Sequence[Fault], location: str, places: Places = NOWHERE) -> tuple[str, str]:
    """Where mistakes are and what is wrong, for a message `where: problem`.

    One mistake: the file with its line, and the key. Several: the file, and one clause with line and key for each.
    """
    lines = [places.line(fault.path or _named(fault.words)) for fault in found]
    if len(found) == 1:
        return f"{location}, line {lines[0]}" if lines[0] else location, f"{found[0]}."
    clauses = [f"line {line}, {fault}" if line else str(fault) for fault, line in zip(found, lines, strict=True)]
    return location, "; ".join(clauses) + "."


def _named(words: str) -> Path:
    """The path that a message about the whole file begins with: `tiers.hot has hypervisors but …`."""
    begin = re.match(r"[\w-]+(?:\.[\w-]+|\[\d+\])*", words)
    parts = re.findall(r"[\w-]+", begin.group()) if begin else []
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _path(location: Sequence[int | str], raw: Any) -> tuple[Path, str, Path]:
    """The path in the file, the form that was tried ("" where only one exists), and the path with several forms.

    Where a value may have several forms, pydantic's locations also hold names of our models. The file holds none of
    these names, so they are left out of the path.
    """
    path: Path = ()
    form, parent, node = "", path, raw
    for part in location:
        if isinstance(part, int) and not isinstance(node, Mapping):
            path += (part,)
            node = at(node, part)
        elif isinstance(node, Mapping) and (part in node or _plain_word(part)):
            # A missing key is reported in the spelling of the example: words joined by underscores.
            path += (str(part) if part in node else re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(part)).lower(),)
            node = node.get(part)
        else:
            form, parent = str(part), path
    return path, form, parent


def _plain_word(part: int | str) -> bool:
    """Whether `part` can be a missing key: model names are capitalised, and pydantic's own words contain symbols."""
    return isinstance(part, str) and part.replace("_", "").isalnum() and part[:1].islower()


def _meant(model: type[BaseModel], location: Sequence[int | str], *, camel: bool) -> str:
    """The closest known key in place of an unknown one, and all known keys, in the spelling of the file."""
    kinds: list[Any] = [model]
    for part in location[:-1]:
        kinds = list(_members(kinds, part)) or kinds  # a part that is no key names a form of the value
    known = list(dict.fromkeys(key for kind in _models(kinds) for key in _spelled(kind, camel=camel)))
    close = get_close_matches(str(location[-1]), known, n=1)
    told = [f"did you mean {close[0]}?"] if close else []
    told += [f"expected {', '.join(known)}"] if known else []
    return f" ({' '.join(told)})" if told else ""


def _spelled(kind: type[BaseModel], *, camel: bool) -> list[str]:
    return [(field.alias or name) if camel else name for name, field in kind.model_fields.items()]


def _models(kinds: Sequence[Any]) -> Iterator[type[BaseModel]]:
    for kind in kinds:
        yield from (one for one in _forms(kind) if isinstance(one, type) and issubclass(one, BaseModel))


def _forms(kind: Any) -> Iterator[Any]:
    """The types that a value may have, without the constraints on them."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _forms(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for one in get_args(kind):
            yield from _forms(one)
    else:
        yield kind


def _members(kinds: Sequence[Any], part: int | str) -> Iterator[Any]:
    """The types of a member, where it has any; a name of one of the forms chooses that form."""
    for form in (one for kind in kinds for one in _forms(kind)):
        if isinstance(form, type) and issubclass(form, BaseModel):
            field = next((f for name, f in form.model_fields.items() if part in (name, f.alias)), None)
            if field is not None:
                yield field.annotation
            elif part == form.__name__:
                yield form
        elif get_origin(form) in (dict, Mapping):
            yield get_args(form)[1]
        elif get_origin(form) in (tuple, list) and isinstance(part, int):
            yield get_args(form)[0]
