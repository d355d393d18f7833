"""Write tiercast's keys into the text of `Pulumi.<stack>.yaml` and leave every other byte unchanged.

- This is not a YAML round trip. Only the lines of tiercast's keys (`tiercast:plan`, `tiercast:hot`, …) are rewritten, so
  comments, secrets, `environment:`, `encryptionsalt` and other keys keep their bytes.
- Encrypted values inside tiercast's keys are kept too (`kept_secrets`).
- Equal values give equal bytes. Rendering twice changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import LiteralScalarString

from reconciler.errors import InputError
from reconciler.plan.kept_secrets import keep_secrets
from stacks.yaml_text import TextFault, load_yaml


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One key of the `config` mapping: lines [start, end) of the text."""

    key: str
    start: int
    end: int


def render(text: str, values: Mapping[str, Any], *, own: frozenset[str], location: str) -> str:
    """Return `text` with the keys of `own` replaced by `values`.

    Args:
        text: the file as it is; empty for a new one.
        values: full key (`tiercast:hot`, `aws:region`) → plain value, in the order in which new keys are written.
            Must be a subset of `own`; a key of `own` without a value is removed.
        own: the keys that may be touched.
        location: the file's name, for messages.

    Raises:
        InputError: the text is not YAML, has no block-style `config`, shares an anchor with one of our keys, or holds an
            encrypted value that would be lost.
    """
    if unknown := set(values) - own:
        raise ValueError(f"not our keys: {sorted(unknown)}")
    entries, indent, anchor = _entries(text, location)
    values = keep_secrets(read_config(text, location), values, own=own, location=location)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    present = [e for e in entries if e.key in own]
    missing = [k for k in values if k not in {e.key for e in present}]
    if not entries and anchor < 0:
        lines.append("config:\n")
        anchor = len(lines)
    at = max((e.end for e in present or entries), default=anchor)
    lines[at:at] = [_block(k, values[k], indent) for k in missing]
    for entry in reversed(present):
        lines[entry.start : entry.end] = [_block(entry.key, values[entry.key], indent)] if entry.key in values else []
    result = "".join(lines)
    _verify(text, result, own, location)
    return result


def read_config(text: str, location: str) -> dict[str, Any]:
    """The `config` mapping of a stack file as plain values; empty where there is none.

    Raises:
        InputError: the text is not YAML or `config` is not a mapping.
    """
    data = _load(text, location) or {}
    config = data.get("config") or {}
    if not isinstance(config, dict):
        raise InputError(location, "`config` is not a mapping of keys.", "Fix or remove it.")
    return config


def _load(text: str, location: str) -> Any:
    try:
        data = load_yaml(text)
    except TextFault as error:
        raise InputError(f"{location}{error.place}", f"{error.problem}.", error.remedy) from None
    if data is not None and not isinstance(data, dict):
        raise InputError(location, "expected a mapping at the top (`config:` and so on).", "Fix or remove the file.")
    return data


def _entries(text: str, location: str) -> tuple[list[_Entry], int, int]:
    """Entries of `config` with line spans, their indentation, and the line of a new key if empty (-1: absent)."""
    _load(text, location)
    lines = text.splitlines()
    root = YAML(typ="rt", pure=True).compose(io.StringIO(text))
    if root is None or not isinstance(root, MappingNode):
        return [], 2, -1
    for key, value in root.value:
        if key.value != "config":
            continue
        if isinstance(value, ScalarNode) and value.value in ("", "~", "null"):
            if value.value:
                raise InputError(location, f"`config: {value.value}` holds nothing.", "Remove that line.")
            return [], 2, key.end_mark.line + 1
        if not isinstance(value, MappingNode):
            raise InputError(location, "`config` is not a mapping of keys.", "Fix or remove it.")
        if value.flow_style:
            raise InputError(location, "`config` is written in one line ({…}).", "Write one key per line.")
        rows = [
            _Entry(key=str(k.value), start=k.start_mark.line, end=_end(_last_line(v, k), lines)) for k, v in value.value
        ]
        return rows, value.value[0][0].start_mark.column, -1
    return [], 2, -1


def _end(last: int, lines: list[str]) -> int:
    """Line after the last one with content; a block scalar's own span takes in the blank lines that follow it."""
    while last > 0 and not lines[min(last, len(lines) - 1)].strip():
        last -= 1
    return last + 1


def _last_line(node: Node, key: Node) -> int:
    """Last line that holds content of a value, without the comments and blank lines that follow it."""
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">"):
            return max(int(node.end_mark.line) - 1, int(node.start_mark.line))
        return max(int(node.end_mark.line), int(key.end_mark.line)) if node.value else int(key.end_mark.line)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1], last[0]) if isinstance(node, MappingNode) else _last_line(last, last)


def _block(key: str, value: Any, indent: int) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = False
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    buffer = io.StringIO()
    yaml.dump({key: _literal(value)}, buffer)
    pad = " " * indent
    return "".join(pad + line if line.strip() else line for line in buffer.getvalue().splitlines(keepends=True))


def _literal(value: Any) -> Any:
    """Multi-line texts as literal blocks, so that a reviewer can read them (quoted where they end in blank lines)."""
    if isinstance(value, str) and value.rstrip("\n") + "\n" == value and "\n" in value[:-1]:
        return LiteralScalarString(value)
    if isinstance(value, Mapping):
        return {k: _literal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(v) for v in value]
    return value


def _verify(before: str, after: str, own: frozenset[str], location: str) -> None:
    """What is not ours must mean the same as before: an alias to an anchor inside our keys would break silently."""
    try:
        new = _load(after, location)
    except InputError as error:
        raise InputError(
            location,
            f"another key refers (by a YAML alias) to an anchor inside one of tiercast's keys ({error.problem}).",
            "Move the anchor out of the `tiercast:` keys.",
        ) from None
    old = _load(before, location) or {}
    strip = {k: v for k, v in (old.get("config") or {}).items() if k not in own}
    kept = {k: v for k, v in (new.get("config") or {}).items() if k not in own}
    rest = {k: v for k, v in old.items() if k != "config"}
    if strip != kept or rest != {k: v for k, v in new.items() if k != "config"}:
        raise InputError(
            location, "writing tiercast's keys would change another key.", "Please report this file's layout."
        )
