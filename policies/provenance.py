"""provenance: the configuration comes from a plan that was made with the prices that the pack pins."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import SKEW, Facts, PriceSettings, Rule, Violation


class Provenance(PriceSettings):
    """The required plan and prices."""

    plan_id: str = Field(default="", description="ID of the only plan that may be applied; empty: any.")
    same_prices: bool = Field(default=True, description="Whether the plan must be made with the pack's catalogue.")


def decide(facts: Facts, settings: Provenance) -> Iterator[Violation]:
    """One violation per way in which the plan differs from the required one."""
    plan = facts.require_config().plan
    catalogue = facts.catalogue(settings)
    if settings.plan_id and plan.id != settings.plan_id:
        yield Violation(
            message=(
                f"The configuration holds plan {plan.id}; plan {settings.plan_id} was approved. Preview and approve the new "
                "plan, or check out the configuration that was approved."
            )
        )
    if settings.same_prices and plan.catalogue_digest != catalogue.digest():
        yield Violation(
            message=(
                f"The plan was made with prices of digest {plan.catalogue_digest[:12]}…; the policy pack pins "
                f"{catalogue.digest()[:12]}… ({catalogue.source}). Plan again with that catalogue (prices.catalogue in "
                "fleet.yaml), or pin the plan's with catalogueFile (prices of AWS: .tiercast/<stack>/prices.<region>.json) and "
                "catalogueDigest."
            )
        )
    if plan.created_at > facts.now + SKEW:
        yield Violation(
            message=(
                f"The plan's creation time {plan.created_at.isoformat()} is in the future (it is "
                f"{facts.now.isoformat()}). Correct the clock and plan again."
            )
        )


RULE = Rule(
    name="provenance",
    description="Sizes come from the required plan, which is not from the future and was made with the pinned prices.",
    severity="high",
    remedy="Run `tiercast plan` with the catalogue that the policy pack pins.",
    settings=Provenance,
    decide=decide,
)
