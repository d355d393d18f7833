"""What happens to drift: resources that are not as tiercast left them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reconciler.fleet.types import FleetPart


class DriftReactions(FleetPart):
    """The reaction by who or what made the difference.

    report: the plan says it and the update leaves the VM or group as it is. repair: the update puts it back. adopt: what is
    there counts as wanted. Noise of providers is always reported, and what an interrupted update left is always adopted or
    removed.
    """

    person: Literal["report", "repair", "adopt"] = Field(
        "repair",
        description="A change by hand. adopt: a VM that was stopped or removed gives up its slot, and a group keeps its size.",
    )
    lost: Literal["report", "repair"] = Field(
        "repair", description="An interruption, a crash, a failed health check or a dead host."
    )
    autoscaler: Literal["report", "adopt"] = Field(
        "adopt",
        description="A desired size that a scaling policy chose. It owns that size; report: the group's bounds stay, too.",
    )
