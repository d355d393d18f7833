"""Reads YAML and JSON text that people write: its values, the lines of its keys, and one sentence for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

#: Most levels of a file, and most values with every alias written out. Files of people have fewer than 10 and 10,000.
DEPTH, SIZE = 50, 1_000_000
#: What ruamel raises for text that is not YAML, and for values that are not of the type that they look like or declare.
_FAULTS = (YAMLError, ValueError, LookupError, RecursionError)
_TAG = "tag:yaml.org,2002:"


class TextFault(ValueError):
    """A text can't be read. `place` is `, line 3, key a.b[0]`, or "" if unknown; `problem` has no full stop."""

    def __init__(self, place: str, problem: str, remedy: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem, self.remedy = place, problem, remedy


def load_yaml(text: str) -> Any:
    """The plain values of a YAML text.

    Raises:
        TextFault: it is not YAML, or holds a value that does not exist, such as the date 2026-13-40.
    """
    try:
        values = _plain().load(text)
    except RecursionError:
        raise _too_deep() from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise TextFault(place, f"not valid YAML: {problem}", "Fix that line.") from None
    except (ValueError, LookupError) as error:
        raise _unreadable_value(text, error) from None
    refuse_unbounded(values)
    return values


def load_json(text: str) -> Any:
    """The value of a JSON text; raises `TextFault`."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise TextFault(f", line {error.lineno}", f"not valid JSON: {error.msg}", "Fix that line.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise TextFault("", "not valid JSON: a number has too many digits", "Shorten the number.") from None
    refuse_unbounded(value)
    return value


def refuse_unbounded(values: Any) -> None:
    """Raise `TextFault` for values that contain themselves, are nested too deeply, or are too many: no file needs them."""
    if _size(values, {}, 1) > SIZE:
        raise TextFault("", f"its aliases stand for more than {SIZE:,} values", "Write fewer aliases (`*name`).")


def _size(value: Any, known: dict[int, int], level: int) -> int:
    """Number of values with aliases written out. `known`: id of a container → its size, 0 while it is being counted."""
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if level > DEPTH:
        raise _too_deep()
    if id(value) in known:
        if not known[id(value)]:
            raise TextFault(
                "", "an alias stands for a value that contains the alias itself", "Remove the alias (`*name`)."
            )
        return known[id(value)]
    known[id(value)] = 0
    members = value.values() if isinstance(value, dict) else value
    known[id(value)] = 1 + sum(_size(member, known, level + 1) for member in members)
    return known[id(value)]


def _too_deep() -> TextFault:
    return TextFault("", f"its values are nested more than {DEPTH} levels deep", "Remove levels.")


def _unreadable_value(text: str, error: Exception) -> TextFault:
    """The sentence for the first value that is not of the type that it looks like or declares."""
    try:
        root = _plain().compose(text)
    except _FAULTS:
        return TextFault("", f"not valid YAML: {error}", "Fix the file.")
    nodes: list[tuple[str, Node]] = [("", root)]
    seen = set[int]()
    while nodes:
        key, node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            nodes += [(f"{key}.{k.value}" if key else str(k.value), v) for k, v in reversed(node.value)]
            nodes += [(key, k) for k, _ in reversed(node.value)]
        elif isinstance(node, SequenceNode):
            nodes += [(f"{key}[{index}]", member) for index, member in reversed(list(enumerate(node.value)))]
        elif isinstance(node, ScalarNode) and (problem := _scalar_fault(node)) is not None:
            place = f", line {node.start_mark.line + 1}{f', key {key}' if key else ''}"
            if node.tag == f"{_TAG}timestamp":
                return TextFault(
                    place,
                    f"'{node.value}' is not a date that exists ({problem})",
                    "Correct the date, or quote the value.",
                )
            kind = str(node.tag).removeprefix(_TAG)
            return TextFault(place, f"'{node.value[:40]}' is not a value of type {kind}", "Correct or quote the value.")
    return TextFault("", f"a value can't be read ({error})", "Correct or quote the value.")


def _scalar_fault(node: ScalarNode) -> str | None:
    try:
        _plain().constructor.construct_object(node)
    except _FAULTS as error:
        return str(error)
    return None


def _plain() -> YAML:
    return YAML(typ="safe", pure=True)


@dataclass(frozen=True)
class Places:
    """Where the keys of a YAML or JSON text are; the text is looked at when the first line is asked for."""

    text: str = ""

    @cached_property
    def _root(self) -> Node | None:
        try:
            # JSON may be indented with tabs, which YAML refuses. The line stays the same.
            root = _plain().compose(self.text.replace("\t", " "))
        except _FAULTS:
            return None
        return root if isinstance(root, Node) else None

    def line(self, path: Sequence[int | str]) -> int | None:
        """The line (from 1) of the last key of `path` that the text has; None where it has none of them."""
        node, found = self._root, None
        for part in path:
            step = _below(node, part)
            if step is None:
                break
            mark, node = step
            found = mark.start_mark.line + 1
        return found


#: The places of values that come from no file.
NOWHERE = Places()


def _below(node: Node | None, part: int | str) -> tuple[Node, Node] | None:
    """The node that marks the place of a key or index, and its value."""
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if not isinstance(node, MappingNode):
        return None
    merged: list[Node] = []
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == str(part):
            return key, value
        if key.tag == f"{_TAG}merge":
            merged += value.value if isinstance(value, SequenceNode) else [value]
    return next((step for one in merged if (step := _below(one, part)) is not None), None)


def shown(path: Sequence[int | str]) -> str:
    """A path as people write it: `tiers.hot.hypervisors[0].uri`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return " ".join(text.split())  # one line, whatever a key holds


def at(values: Any, part: int | str) -> Any:
    """The member of a mapping or list, or None."""
    if isinstance(part, int) and isinstance(values, Sequence) and not isinstance(values, str):
        return values[part] if part < len(values) else None
    return values.get(part) if isinstance(values, Mapping) else None
