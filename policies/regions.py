"""allowed-regions: cloud resources stay in the regions on the list."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.resources import UNKNOWN, Resource, Undecidable
from policies.rule import Facts, PriceSettings, Rule, Violation


class AllowedRegions(PriceSettings):
    """Names of regions."""

    regions: tuple[str, ...] = Field(
        default=(), description="Allowed regions; empty: the region of the price catalogue."
    )


def decide(facts: Facts, settings: AllowedRegions) -> Iterator[Violation]:
    """One violation per resource and per region that is not allowed; a zone counts as its region."""
    allowed = settings.regions or (facts.catalogue(settings).region,)
    for resource in facts.resources:
        if not resource.managed or not resource.type.startswith("aws:"):
            continue
        places = [_region(resource), *(zone.rstrip("abcdefghijklmnopqrstuvwxyz") for zone in _zones(resource))]
        for place in sorted(set(places) - set(allowed)):
            yield Violation(
                message=(
                    f"{resource.name} is in {place}; the allowed regions are {', '.join(allowed)}. Set aws:region and the "
                    "zones in fleet.yaml, or allow the region and pin a price catalogue for it."
                ),
                urn=resource.urn,
            )


def _region(resource: Resource) -> str:
    own = resource.get("region") or resource.provider.get("region")
    if not own or own is UNKNOWN:
        raise Undecidable(resource, "the region of its provider (aws:region)")
    return str(own)


def _zones(resource: Resource) -> list[str]:
    found = [resource.get("availabilityZone"), *resource.get("availabilityZones", ())]
    return [str(zone) for zone in found if zone and zone is not UNKNOWN]


RULE = Rule(
    name="allowed-regions",
    description="Cloud resources stay in allowed regions, for which the catalogue has prices.",
    severity="high",
    remedy="Set aws:region and the zones in fleet.yaml.",
    settings=AllowedRegions,
    decide=decide,
)
