"""Entries from before the ledger had versions, with the keys of today. Pure."""

from __future__ import annotations

from typing import Any


def lifted(raw: dict[str, Any]) -> dict[str, Any]:
    """An entry from before versions existed, with the current keys."""
    found = {**raw, "version": 1}
    if isinstance(sizes := found.pop("sizes", None), dict):
        found["tiers"] = {
            tier: dict(zip(("before", "after"), pair, strict=False)) if isinstance(pair, list) else pair
            for tier, pair in sizes.items()
        }
    if isinstance(violations := found.get("violations"), list):
        found["violations"] = [{"message": v} if isinstance(v, str) else v for v in violations]
    return found
