"""Tags of every resource: project, stack and tier. They stay equal over plans, so a new plan never replaces instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stacks.contract_base import Tier


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The owner of the resources. `extra` holds the fleet's own tags (team, application, cost centre)."""

    project: str
    stack: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def tags(self, tier: Tier | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Tags of one resource, sorted by key. Those of tiercast override the fleet's own."""
        merged = {**self.extra, **(more or {}), "project": self.project, "stack": self.stack}
        if tier is not None:
            merged["tier"] = tier.value
        return dict(sorted(merged.items()))

    def describe(self, tier: Tier) -> str:
        """The same as one line, for platforms without tags (a libvirt domain's description)."""
        return f"tiercast project={self.project} stack={self.stack} tier={tier.value}"
