"""Keep the encrypted values of tiercast's keys in a stack file when a plan is rendered. Pure.

`pulumi config set --secret --path 'tiercast:hot.hypervisors[0].uri'` writes `uri: {secure: …}` to the file. A plan only
knows the fleet file's value of that key, which holds no secret, so the encrypted value is kept. Keys that the plan decides
(sizes, slots, demand, provenance) can't be encrypted and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.errors import InputError

#: Keys that every plan rewrites.
_DECIDED = ("tiercast:schemaVersion", "tiercast:plan", "tiercast:demand")


def keep_secrets(
    old: Mapping[str, Any], new: Mapping[str, Any], *, own: frozenset[str], location: str
) -> dict[str, Any]:
    """The values of `new`, with the encrypted values of `old` in their places.

    List elements are matched by `name`, in any order. A list without names must keep its length.

    Args:
        old: the `config` mapping of the stack file as it is.
        new: full key → value that the plan writes.
        own: the keys that the plan may write. Keys without a value in `new` will be removed.
        location: the stack file's name, for messages.

    Raises:
        InputError: an encrypted value has no place in the plan, or the plan decides its key. The message names the key.
    """
    for key in sorted(own - set(new)):
        if path := _first_secret(old.get(key), key):
            raise _no_place(path, location)
    return {key: _kept(old.get(key), value, key, location) for key, value in new.items()}


def _kept(old: Any, new: Any, path: str, location: str) -> Any:
    if _is_secret(old):
        if isinstance(new, str) and path.partition(".")[0] not in _DECIDED and ".slots[" not in path:
            return old
        if new is None or new is _ABSENT:
            raise _no_place(path, location)
        raise InputError(
            location,
            f"{path} is encrypted, but the plan decides this value.",
            f"Remove it with `pulumi config rm --path '{path}'`. Encrypt only single texts such as `uri` or `userData`.",
        )
    if isinstance(old, Mapping):
        parts = dict(new) if isinstance(new, Mapping) else {}
        for key, one in old.items():
            if _first_secret(one, ""):
                parts[key] = _kept(one, parts.get(key, _ABSENT), f"{path}.{key}", location)
        return parts if isinstance(new, Mapping) else new
    if isinstance(old, list):
        elements = list(new) if isinstance(new, list | tuple) else []
        for number, one in enumerate(old):
            if _first_secret(one, ""):
                at = _same(old, number, elements)
                kept = _kept(one, _ABSENT if at is None else elements[at], f"{path}[{number}]", location)
                if at is not None:
                    elements[at] = kept
        return elements if isinstance(new, list | tuple) else new
    return new


#: Marks a key or element that the plan does not write.
_ABSENT = object()


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"} and isinstance(value["secure"], str)


def _first_secret(value: Any, path: str) -> str:
    """Path of the first encrypted value, or ""."""
    if _is_secret(value):
        return path or "."
    if isinstance(value, Mapping):
        return next(filter(None, (_first_secret(one, f"{path}.{key}") for key, one in value.items())), "")
    if isinstance(value, list):
        return next(filter(None, (_first_secret(one, f"{path}[{n}]") for n, one in enumerate(value))), "")
    return ""


def _same(old: Sequence[Any], number: int, new: Sequence[Any]) -> int | None:
    """Index in the plan of the element that has index `number` in the file."""
    name = _name(old[number])
    if name is not None:
        return next((at for at, one in enumerate(new) if _name(one) == name), None)
    return number if len(old) == len(new) else None


def _name(element: Any) -> str | None:
    name = element.get("name") if isinstance(element, Mapping) else None
    return name if isinstance(name, str) else None


def _no_place(path: str, location: str) -> InputError:
    return InputError(
        location,
        f"{path} is encrypted, but the plan has no such key, and writing the file would lose it.",
        f"Bring the key back in fleet.yaml, or remove the secret with `pulumi config rm --path '{path}'`.",
    )
