"""The pack's policies over whole stacks, in the order in which they are shown. A new one is one file and one line."""

from __future__ import annotations

from typing import Any, Final

from policies import (
    agreement,
    cost,
    diversification,
    freshness,
    instance_types,
    jump,
    latency,
    month,
    ownership,
    plain_secrets,
    provenance,
    regions,
    risk,
    spare,
    spot,
    steps,
    tag_cost,
)
from policies.rule import Rule

RULES: Final[tuple[Rule[Any], ...]] = (
    freshness.RULE,
    provenance.RULE,
    agreement.RULE,
    ownership.RULE,
    cost.RULE,
    month.RULE,
    tag_cost.RULE,
    jump.RULE,
    latency.RULE,
    risk.RULE,
    spare.RULE,
    steps.RULE,
    spot.RULE,
    diversification.RULE,
    instance_types.RULE,
    regions.RULE,
    plain_secrets.RULE,
)
