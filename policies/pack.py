"""The pack's policies over whole stacks, in the order in which they are shown. A new one is one file and one line."""

from __future__ import annotations

from typing import Any, Final

from policies import agreement, cost, freshness, instance_types, latency, spot
from policies.rule import Rule

RULES: Final[tuple[Rule[Any], ...]] = (
    freshness.RULE,
    agreement.RULE,
    cost.RULE,
    latency.RULE,
    spot.RULE,
    instance_types.RULE,
)
