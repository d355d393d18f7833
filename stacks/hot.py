"""The hot tier: VMs on owned hardware, each in a stable slot."""

from __future__ import annotations

from typing import Any

import pulumi

from stacks.contract_adopted import NOTHING_ADOPTED, Adopted
from stacks.contract_base import Tier
from stacks.contract_metal import Metal
from stacks.metal import Machines
from stacks.tags import Identity


class HotTier(pulumi.ComponentResource):
    """All hot VMs; its ownership is always `exact`, because nothing else could start or stop them."""

    def __init__(
        self,
        name: str,
        metal: Metal,
        *,
        identity: Identity,
        guest_port: int = 80,
        secret: bool = False,
        adopted: Adopted = NOTHING_ADOPTED,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tiercast:stacks:HotTier", name, None, opts)
        machines = Machines(
            Tier.HOT,
            metal,
            identity=identity,
            guest_port=guest_port,
            secret=secret,
            parent=self,
            adopted=adopted.machines,
        )
        self.outputs: dict[str, Any] = {"ownership": metal.ownership.value, "machines": machines.output()}
        self.register_outputs(self.outputs)
