"""allowed-instance-types: only listed instance types are started, reserved or named in a launch template."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from pydantic import Field

from policies.resources import TEMPLATE
from policies.rule import Facts, PriceSettings, Rule, Violation


class AllowedTypes(PriceSettings):
    """Shell patterns of type names."""

    types: tuple[str, ...] = Field(
        default=(), description='Allowed types, such as "m5.*"; empty: all types in the price catalogue.'
    )
    denied: tuple[str, ...] = Field(default=(), description="Types that are refused even if `types` allows them.")


def decide(facts: Facts, settings: AllowedTypes) -> Iterator[Violation]:
    """One violation per resource and type."""
    patterns = settings.types or tuple(sorted(facts.catalogue(settings).types))
    estate = facts.estate
    used = [(group.resource, name) for group in estate.groups for name in group.types]
    used += [(reserved.resource, reserved.instance_type) for reserved in estate.reservations]
    used += [
        (resource, str(resource.get("instanceType")))
        for resource in facts.resources
        if resource.type == TEMPLATE and resource.get("instanceType")
    ]
    shown = ", ".join(patterns[:8]) + (", …" if len(patterns) > 8 else "")
    for resource, name in dict.fromkeys((r.urn, n) for r, n in used):
        allowed = any(fnmatchcase(name, pattern) for pattern in patterns)
        denied = any(fnmatchcase(name, pattern) for pattern in settings.denied)
        if not allowed or denied:
            why = "is denied" if denied else f"is not an allowed type ({shown})"
            yield Violation(
                message=(
                    f"{resource.rsplit('::', 1)[-1]} may start '{name}', which {why}. Remove it from instance_types in "
                    "fleet.yaml and plan again, or allow it in the policy pack's configuration."
                ),
                urn=resource,
            )


RULE = Rule(
    name="allowed-instance-types",
    description="Only listed instance types are started or reserved.",
    severity="medium",
    remedy="Use an allowed type in fleet.yaml, or ask the pack's owner to extend the list.",
    settings=AllowedTypes,
    decide=decide,
)
