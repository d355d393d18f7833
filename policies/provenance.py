"""provenance: the configuration comes from a plan, made from the prices that the pack pins."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import SKEW, Facts, PriceSettings, Rule, Violation


class Provenance(PriceSettings):
    """What the plan must be."""

    plan_id: str = Field(default="", description="The only plan that may be applied, as approved; empty: any.")
    same_prices: bool = Field(default=True, description="Whether the plan must be made from the pack's catalogue.")


def decide(facts: Facts, settings: Provenance) -> Iterator[Violation]:
    """One violation per way in which the plan is not what it should be."""
    plan = facts.require_config().plan
    catalogue = facts.catalogue(settings)
    if settings.plan_id and plan.id != settings.plan_id:
        yield Violation(
            message=(
                f"The configuration holds plan {plan.id}, approved was {settings.plan_id}. Preview and approve the new "
                "plan, or check out the configuration that was approved."
            )
        )
    if settings.same_prices and plan.catalogue_digest != catalogue.digest():
        yield Violation(
            message=(
                f"The plan was made with prices of digest {plan.catalogue_digest[:12]}…, the policy pack pins "
                f"{catalogue.digest()[:12]}… ({catalogue.source}). Plan again with that catalogue (prices.catalogue in "
                "fleet.yaml), or pin the plan's with catalogueFile (prices of AWS: .tiercast/<stack>/prices.<region>.json) and "
                "catalogueDigest."
            )
        )
    if plan.created_at > facts.now + SKEW:
        yield Violation(
            message=(
                f"The plan says that it was made at {plan.created_at.isoformat()}, which is still to come (it is "
                f"{facts.now.isoformat()}). Set the clock right and plan again."
            )
        )


RULE = Rule(
    name="provenance",
    description="Sizes come from a plan that is named, not from the future, and made with the pinned prices.",
    severity="high",
    remedy="Run `tiercast plan` with the catalogue that the policy pack pins.",
    settings=Provenance,
    decide=decide,
)
