"""The demand that policies believe: the pinned one, with every way in which the stack's own disagrees."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, TypeAdapter

from policies.rule import Facts, Misconfigured, PriceSettings, Violation
from stacks.contract import Demand, demand_digest

_DEMAND = TypeAdapter(Demand)

UNPINNED = (
    "No forecast is pinned: set forecastFile or forecastDigest of provenance in the pack's configuration, or requirePin to "
    "false."
)


class DemandSettings(PriceSettings):
    """Settings of a policy that judges against the demand."""

    forecast_digest: str = Field(
        default="", description="SHA-256 of the demand section that was approved; empty: not pinned by digest."
    )
    forecast_file: str = Field(
        default="",
        description=(
            "File with the demand section as the forecast wrote it (JSON), relative to the pack's folder, with {stack} "
            "and {project} for their names."
        ),
    )


def demand(facts: Facts, settings: DemandSettings) -> Demand:
    """The demand to judge by: from the pinned file where there is one, else the stack's own."""
    if settings.forecast_file:
        return _from_file(facts, settings)
    if settings.require_pin and not settings.forecast_digest:
        raise Misconfigured(UNPINNED)
    return facts.require_config().demand


def disagreements(facts: Facts, settings: DemandSettings) -> Iterator[Violation]:
    """Where the stack's demand is not what it says it is, or not what was pinned."""
    config = facts.require_config()
    digest = demand_digest(config.demand)
    if digest != config.plan.forecast_digest:
        yield Violation(
            message=(
                f"The demand section was edited: its digest is {digest[:12]}…, plan.forecastDigest says "
                f"{config.plan.forecast_digest[:12]}…. Run `tiercast plan` instead of editing quantiles."
            )
        )
    pins = []
    if settings.forecast_digest:
        pins.append(("forecastDigest of the policy pack", settings.forecast_digest))
    if settings.forecast_file:
        pins.append((settings.forecast_file, demand_digest(_from_file(facts, settings))))
    if settings.require_pin and not pins:
        raise Misconfigured(UNPINNED)
    for origin, pin in pins:
        if pin != digest:
            yield Violation(
                message=(
                    f"The demand in the stack's configuration (digest {digest[:12]}…) is not the forecast's "
                    f"({pin[:12]}…, by {origin}). Run `tiercast plan` again; quantiles can't be chosen by hand."
                )
            )


def _from_file(facts: Facts, settings: DemandSettings) -> Demand:
    return facts.json(settings.forecast_file, _DEMAND, "a demand section")
