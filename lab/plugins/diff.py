"""Compares wanted inputs with the state, as Terraform's plan does: what differs, and whether that replaces the
resource.

Old values come from the *outputs* (which a refresh has brought up to date), so drift shows; a property that is left
out is a change only if the service doesn't fill it itself (``ResourceSpec.computed``) and the state holds more than
its zero value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lab.plugins.check import DEFAULTS_KEY
from lab.plugins.resource import ResourceSpec
from lab.plugins.schema import PropertyType
from lab.plugins.wire import UNKNOWN, contains_unknown

Kind = Literal["ADD", "DELETE", "UPDATE"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One differing place: its path with indices, the kind, and whether it replaces the resource."""

    path: str
    kind: Kind
    replaces: bool

    @property
    def property(self) -> str:
        """The top-level property it lies in."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def compare(
    spec: ResourceSpec, state: Mapping[str, Any], news: Mapping[str, Any], ignore: Iterable[str] = ()
) -> list[Difference]:
    """Returns the differences between the state and the wanted inputs, by path; none inside an ignored path."""
    found: list[Difference] = []
    _Comparison(spec, found).fields(spec.inputs, state, news, "", "")
    ignored = [_normal(path) for path in ignore]
    return sorted(
        (one for one in found if not any(_covers(path, one.path) for path in ignored)), key=lambda one: one.path
    )


def requires_delete_first(spec: ResourceSpec, state: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether a replacement can't stand beside the old one: its name was given by the program and stays the same."""
    if spec.autoname is None:
        return False
    name = spec.autoname.property
    if name not in news or name in news.get(DEFAULTS_KEY, []) or news[name] is UNKNOWN:
        return False
    return bool(state.get(name) == news[name])


class _Comparison:
    def __init__(self, spec: ResourceSpec, found: list[Difference]) -> None:
        self.spec = spec
        self.found = found

    def fields(self, kind: PropertyType, old: Mapping[str, Any], new: Mapping[str, Any], at: str, rule: str) -> None:
        for name, field in kind.fields.items():
            place, path = _join(at, name), _join(rule, name)
            if name in new and new[name] is not None:
                self.value(field, old.get(name), new[name], place, path)
            elif path not in self.spec.computed and not _is_zero(old.get(name)):
                self.add(place, path, "DELETE")

    def value(self, kind: PropertyType, old: Any, new: Any, at: str, rule: str) -> None:
        if new is UNKNOWN:
            self.add(at, rule, "ADD" if old is None else "UPDATE")
        elif old is None:
            if not _is_zero(new):
                self.add(at, rule, "ADD")
        elif kind.kind == "object" and isinstance(new, Mapping) and isinstance(old, Mapping):
            self.fields(kind, old, new, at, rule)
        elif kind.kind == "map" and isinstance(new, Mapping) and isinstance(old, Mapping):
            self._map(old, new, at, rule)
        elif kind.kind == "list" and isinstance(new, list) and isinstance(old, list):
            self._list(kind.element or PropertyType(kind="any"), old, new, at, rule)
        elif not self._same_scalar(old, new, rule):
            self.add(at, rule, "UPDATE")

    def _map(self, old: Mapping[str, Any], new: Mapping[str, Any], at: str, rule: str) -> None:
        for key in sorted({*old, *new} - {DEFAULTS_KEY}):
            place = f"{at}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f'{at}["{key}"]'
            if key not in new:
                self.add(place, rule, "DELETE")
            elif key not in old:
                self.add(place, rule, "ADD")
            elif new[key] is UNKNOWN or not self._same_scalar(old[key], new[key], rule):
                self.add(place, rule, "UPDATE")

    def _list(self, element: PropertyType, old: list[Any], new: list[Any], at: str, rule: str) -> None:
        if rule in self.spec.sets:
            old, new = self._unmatched(element, old, new, rule)
            for index in range(max(len(old), len(new))):
                place = f"{at}[{index}]"
                kind: Kind = "DELETE" if index >= len(new) else "ADD" if index >= len(old) else "UPDATE"
                self.add(place, rule, kind)
            return
        for index in range(max(len(old), len(new))):
            place = f"{at}[{index}]"
            if index >= len(new):
                self.add(place, rule, "DELETE")
            elif index >= len(old):
                self.add(place, rule, "ADD")
            else:
                self.value(element, old[index], new[index], place, rule)

    def _unmatched(
        self, element: PropertyType, old: list[Any], new: list[Any], rule: str
    ) -> tuple[list[Any], list[Any]]:
        left, right = list(old), []
        for item in new:
            match = next((one for one in left if self._same(element, one, item, rule)), None)
            if match is None or contains_unknown(item):
                right.append(item)
            else:
                left.remove(match)
        return left, right

    def _same(self, element: PropertyType, old: Any, new: Any, rule: str) -> bool:
        found: list[Difference] = []
        _Comparison(self.spec, found).value(element, old, new, "", rule)
        return not found

    def _same_scalar(self, old: Any, new: Any, rule: str) -> bool:
        if rule in self.spec.ignore_case and isinstance(old, str) and isinstance(new, str):
            return old.casefold() == new.casefold()
        if isinstance(old, bool) != isinstance(new, bool) or isinstance(old, str) != isinstance(new, str):
            return _text(old) == _text(new)
        return bool(old == new)

    def add(self, at: str, rule: str, kind: Kind) -> None:
        self.found.append(Difference(path=at, kind=kind, replaces=self.spec.replaces_at(rule)))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _is_zero(value: Any) -> bool:
    """Whether a value is what Terraform can't tell from an absent one; an object of only such values is one too."""
    if value is UNKNOWN:
        return False
    if isinstance(value, Mapping):
        return all(_is_zero(item) for key, item in value.items() if key != DEFAULTS_KEY)
    return value is None or value == "" or value is False or value == 0 or value == []


def _normal(path: str) -> str:
    """Writes an ignored path as ours: ``tags["a"]`` becomes ``tags.a``, ``[*]`` stays."""
    return re.sub(r'\["([A-Za-z_]\w*)"\]', r".\1", path)


def _covers(ignored: str, path: str) -> bool:
    if ignored == "*":
        return True
    pattern = re.escape(ignored).replace(r"\[\*\]", r"\[\d+\]").replace(r"\.\*", r"\.[^.\[]+")
    return re.match(rf"{pattern}(?=$|[.\[])", path) is not None
