"""Parts of the contract for sizes that a person sets by hand until a given time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from stacks.contract_base import ContractModel, Count, Tier


class Hold(ContractModel):
    """A person's decision that ends by itself: until when, why, and who made it when."""

    until: AwareDatetime = Field(description="From this time on the entry has no effect.")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    set_by: str = Field("", description="user@host, and the identity that git has for commits.")
    set_at: AwareDatetime | None = None

    def describe(self) -> str:
        """`until 2026-11-25T12:00+00:00 by ann@desk: reason`."""
        by = f" by {self.set_by}" if self.set_by else ""
        return f"until {self.until.isoformat(timespec='minutes')}{by}: {self.reason}"


class Pin(Hold):
    """The number of instances of a tier."""

    count: Count


class Pins(ContractModel):
    """Sizes that a person has set. They outrank the forecast and every guard, but no mandatory policy."""

    tiers: dict[Tier, Pin] = Field(default_factory=dict, description="Tier → its pinned number of instances.")
    freeze: Hold | None = Field(None, description="Tiers without a pin keep the instances that run.")

    def active(self, now: datetime) -> Pins:
        """What has not ended at `now` (aware)."""
        return Pins(
            tiers={tier: pin for tier, pin in self.tiers.items() if now < pin.until},
            freeze=self.freeze if self.freeze is not None and now < self.freeze.until else None,
        )

    @property
    def empty(self) -> bool:
        """Whether there is neither a pin nor a freeze."""
        return not self.tiers and self.freeze is None

    def describe(self) -> tuple[str, ...]:
        """One sentence per pin, in the order of the tiers, and one for the freeze."""
        said = [
            f"{tier.value} is pinned at {self.tiers[tier].count} {self.tiers[tier].describe()}"
            for tier in Tier
            if tier in self.tiers
        ]
        return (*said, *([f"the sizes are frozen {self.freeze.describe()}"] if self.freeze is not None else []))
