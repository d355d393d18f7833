"""The whole stack: declares the tiers of a configuration and returns outputs for routing and observation.

Apart from declaring resources it is pure. It reads no clock and no configuration store, so tests run it under mocks.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pulumi

from stacks.cold import ColdTier
from stacks.contract import Adopted, StackConfig, Tier
from stacks.hot import HotTier
from stacks.routing import Router, weights
from stacks.tags import Identity
from stacks.warm import WarmTier


def declare(config: StackConfig, *, project: str, stack: str, secret_keys: Collection[str] = ()) -> dict[str, Any]:
    """Declare all resources and return the stack's outputs by name.

    `secret_keys` are the contract keys (`hot`, `warm`, …) that hold a secret. Values from them that may
    contain it (URIs, user data, overlays) are marked secret. Plan ID and expiry are outputs only, never a resource's input.
    """
    identity = Identity(project=project, stack=stack, extra=config.tags)
    adopted = config.adopted or Adopted()
    routing = config.routing
    guest_port = 80 if routing is None else routing.port
    router = None
    if routing is not None and routing.vpc:
        router = Router("routing", routing, identity=identity)
    hot = HotTier(
        "hot", config.hot, identity=identity, guest_port=guest_port, secret="hot" in secret_keys, adopted=adopted
    )
    warm = WarmTier(
        "warm",
        config.warm,
        identity=identity,
        target_groups=_behind(router, Tier.WARM),
        secret="warm" in secret_keys,
        adopted=adopted,
    )
    cold = ColdTier(
        "cold",
        config.cold,
        identity=identity,
        target_groups=_behind(router, Tier.COLD),
        guest_port=guest_port,
        secret="cold" in secret_keys,
        adopted=adopted,
    )
    return {
        "planId": config.plan.id,
        "validUntil": config.plan.valid_until.isoformat(),
        "hot": hot.outputs,
        "warm": warm.outputs,
        "cold": cold.outputs,
        "routing": {"weights": weights(routing), **({} if router is None else router.outputs)},
    }


def _behind(router: Router | None, tier: Tier) -> tuple[pulumi.Input[str], ...]:
    return () if router is None else (router.target_groups[tier].arn,)
