"""Tags of every resource: project, stack and tier, constant over plans so that a new plan never rolls a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stacks.contract_base import Tier


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose resources these are; `extra` are the fleet's own tags (team, application, cost centre)."""

    project: str
    stack: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def tags(self, tier: Tier | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Tags of one resource, sorted by key; ours win over the fleet's own."""
        merged = {**self.extra, **(more or {}), "project": self.project, "stack": self.stack}
        if tier is not None:
            merged["tier"] = tier.value
        return dict(sorted(merged.items()))

    def describe(self, tier: Tier) -> str:
        """The same in a line, where the platform has no tags (a libvirt domain's description)."""
        return f"tiercast project={self.project} stack={self.stack} tier={tier.value}"
