"""What an envelope stays bound to: every value of a stack file but sizes and the plan's own, as digests by key. Pure."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stacks.contract import PERSONAL_KEYS, Tier, canonical

#: Keys that are new with every plan, or that people set in between.
_UNBOUND = frozenset({"tiercast:plan", *(f"tiercast:{key}" for key in PERSONAL_KEYS)})
#: What a class promises. The rest of the demand section is forecast anew by every plan.
_PROMISE = ("priority", "latencyMs", "percentile", "promisedShare", "tiers")
#: Parts of a key that are told apart: section, key (and element), and the element's key.
_DEPTH = 3


def bound_values(config: Mapping[str, Any], *, freed: Collection[Tier], grounds: Mapping[str, str]) -> dict[str, str]:
    """Key → digest of every value that an envelope does not free.

    Args:
        config: the stack file's values; an encrypted one counts as it is written there.
        freed: tiers that the envelope has limits for. Their slots, and their groups' sizes, are free.
        grounds: other things that stay bound (program, policy pack, place), by name.
    """
    values = {key: copy.deepcopy(value) for key, value in config.items() if key not in _UNBOUND}
    for tier in freed:
        _free(values.get(f"tiercast:{tier.value}"))
    if isinstance(demand := values.pop("tiercast:demand", None), Mapping):
        values["tiercast:demand"] = {
            "classes": {
                name: {key: one[key] for key in _PROMISE if key in one}
                for name, one in demand.get("classes", {}).items()
            }
        }
    leaves = {path: value for key, section in values.items() for path, value in _leaves(key, section, _DEPTH)}
    return {key: _digest(value) for key, value in sorted({**grounds, **leaves}.items())}


def differing(approved: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The keys that are not as approved, with what happened to them."""
    words = {key: "was removed" if key not in now else "was added" for key in approved.keys() ^ now.keys()}
    words |= {key: "was changed" for key in approved.keys() & now.keys() if approved[key] != now[key]}
    return [f"{key} {words[key]}" for key in sorted(words)]


def _free(section: Any) -> None:
    """Take the sizes out of a tier's section, in place."""
    if not isinstance(section, dict):
        return
    section.pop("slots", None)
    if isinstance(section.get("metal"), dict):
        section["metal"].pop("slots", None)
    for group in section.get("groups") or ():
        group.pop("size", None)
        # It follows the count.
        if isinstance(group.get("pool"), dict):
            group["pool"].pop("maxGroupPreparedCapacity", None)


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Path → value down to `depth` parts; elements of a list go by their name where all have one."""
    if depth > 1 and isinstance(value, Mapping) and value and set(value) != {"secure"}:
        for key, one in value.items():
            yield from _leaves(f"{path}.{key}", one, depth - 1)
    elif depth > 1 and isinstance(value, list | tuple) and value and all(_name(one) for one in value):
        for one in value:
            yield from _leaves(f"{path}[{_name(one)}]", one, depth)
    else:
        yield path, value


def _name(value: Any) -> str:
    return str(value.get("name") or "") if isinstance(value, Mapping) else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(_plain(value)).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """The value with keys and dates of YAML as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
