"""The demand that policies judge by, and every way in which the stack's demand differs from the pinned one."""

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
        default="", description="SHA-256 of the approved demand section; empty: not pinned by digest."
    )
    forecast_file: str = Field(
        default="",
        description=(
            "JSON file with the demand section that `tiercast plan` wrote: a path relative to the pack's folder, or "
            "s3://BUCKET/KEY; {stack}, {project} and {plan} are replaced."
        ),
    )


def demand(facts: Facts, settings: DemandSettings) -> Demand:
    """The demand to judge by: the pinned file if one is set, else the stack's own demand."""
    if settings.forecast_file:
        return _from_file(facts, settings)
    if settings.require_pin and not settings.forecast_digest:
        raise Misconfigured(UNPINNED)
    return facts.require_config().demand


def disagreements(facts: Facts, settings: DemandSettings) -> Iterator[Violation]:
    """One violation per digest that the stack's demand does not match: its own and the pinned ones."""
    config = facts.require_config()
    digest = demand_digest(config.demand)
    if digest != config.plan.forecast_digest:
        yield Violation(
            message=(
                f"The demand section was edited: its digest is {digest[:12]}…, plan.forecastDigest is "
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
                    f"The demand in the stack's configuration (digest {digest[:12]}…) differs from the pinned "
                    f"forecast ({pin[:12]}…, from {origin}). Run `tiercast plan` again; do not edit quantiles by hand."
                )
            )


def _from_file(facts: Facts, settings: DemandSettings) -> Demand:
    return facts.json(settings.forecast_file, _DEMAND, "a demand section")
