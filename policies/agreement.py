"""configuration-agrees: the program declares exactly the resources that the reviewed configuration requests.

A change of the program must not bypass the review of the configuration.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping

from policies.estate import Estate
from policies.groups import Group
from policies.resources import Resource, Undecidable
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import ColdGroup, Launch, Ownership, StackConfig, Tier, WarmGroup

Facet = Mapping[str, object]


def decide(facts: Facts, settings: RuleSettings) -> Iterator[Violation]:  # noqa: ARG001 (nothing to set)
    """One violation per resource that is extra, missing or different."""
    config, estate = facts.require_config(), facts.estate
    yield from _compare("VM", _expected_machines(config), _actual_machines(estate), _urns_of_machines(estate))
    yield from _compare(
        "group",
        _expected_groups(config),
        {group.name: _facets(group, config) for group in estate.groups},
        {group.name: group.resource.urn for group in estate.groups},
    )
    yield from _compare(
        "capacity reservation",
        {r.name: {"type": r.instance_type, "zone": r.zone, "count": r.count} for r in config.warm.reservations},
        {r.resource.name: {"type": r.instance_type, "zone": r.zone, "count": r.count} for r in estate.reservations},
        {r.resource.name: r.resource.urn for r in estate.reservations},
    )
    wanted = int(config.routing is not None and bool(config.routing.vpc))
    if len(estate.balancers) != wanted:
        yield Violation(
            message=(
                f"The program declares {len(estate.balancers)} load balancers, the configuration requests {wanted}. "
                "Restore the program from the repository, or set `routing` in fleet.yaml and plan again."
            )
        )


def _compare(
    kind: str, expected: Mapping[str, Facet], actual: Mapping[str, Facet], urns: Mapping[str, str]
) -> Iterator[Violation]:
    for name in sorted(actual.keys() - expected.keys()):
        yield Violation(
            message=(
                f"The program declares the {kind} {name}, which the configuration does not request. Restore the "
                "program from the repository, or add it to fleet.yaml and plan again."
            ),
            urn=urns[name],
        )
    for name in sorted(expected.keys() - actual.keys()):
        yield Violation(
            message=(
                f"The configuration requests the {kind} {name}, which the program does not declare. Restore the "
                "program from the repository."
            )
        )
    for name in sorted(expected.keys() & actual.keys()):
        different = [
            f"{facet} {actual[name].get(facet)} instead of {value}"
            for facet, value in expected[name].items()
            if actual[name].get(facet) != value
        ]
        if different:
            yield Violation(
                message=(
                    f"The {kind} {name} differs from the configuration: {', '.join(different)}. Restore the "
                    "program from the repository, or plan again."
                ),
                urn=urns[name],
            )


def _expected_machines(config: StackConfig) -> dict[str, Facet]:
    found: dict[str, Facet] = {}
    for tier, metal in ((Tier.HOT, config.hot), (Tier.COLD, config.cold.metal)):
        if metal is None:
            continue
        flavours = {flavour.name: flavour for flavour in metal.flavours}
        for slot in metal.slots:
            flavour = flavours[slot.flavour]
            found[slot.name(tier.value)] = {
                "tier": tier.value,
                "host": slot.hypervisor,
                "vcpu": flavour.vcpu,
                "memory": flavour.memory_mib,
            }
    return found


def _actual_machines(estate: Estate) -> dict[str, Facet]:
    return {
        m.resource.name: {"tier": m.tier.value, "host": m.host, "vcpu": m.vcpu, "memory": m.memory_mib}
        for m in estate.machines
    }


def _urns_of_machines(estate: Estate) -> dict[str, str]:
    return {machine.resource.name: machine.resource.urn for machine in estate.machines}


def _expected_groups(config: StackConfig) -> dict[str, Facet]:
    found: dict[str, Facet] = {}
    for warm in config.warm.groups:
        found[f"warm-{warm.name}"] = {
            "types": (warm.instance_type,),
            "prepared": None if warm.pool is None else warm.pool.max_group_prepared_capacity,
            **_sizes(warm, config.warm.ownership),
            **_launch(config.warm.launch),
        }
    for cold in config.cold.groups:
        found[f"cold-{cold.name}"] = {
            "types": tuple(sorted(cold.instance_types)),
            "on-demand base": cold.on_demand_base,
            "on-demand share above": round(cold.on_demand_share_above_base, 2),
            **_sizes(cold, config.cold.ownership),
            **_launch(config.cold.launch),
        }
    return found


def _sizes(group: WarmGroup | ColdGroup, ownership: Ownership) -> Facet:
    if ownership is Ownership.EXTERNAL:
        return {}
    bounds = {"minimum": group.size.min, "maximum": group.size.max}
    return bounds if ownership is Ownership.FLOOR else {**bounds, "desired": group.size.desired}


def _launch(launch: Launch | None) -> Facet:
    if launch is None:
        return {}
    return {
        "template version": "newest",
        "image": launch.image_id,
        "user data": _digest(launch.user_data.encode()),
        "security groups": tuple(sorted(launch.security_groups)),
        "instance profile": (launch.instance_profile,) if launch.instance_profile else (),
        "key": launch.key_name,
    }


def _launched(group: Group) -> Facet:
    template = group.template
    profile = (template.get("iamInstanceProfile.arn"), template.get("iamInstanceProfile.name"))
    groups = (*template.get("vpcSecurityGroupIds", ()), *template.get("securityGroupNames", ()))
    return {
        # Both are unknown where the update makes a new version. An older version can hold another image.
        "template version": "newest" if group.version == template.newest else group.version or "unknown",
        "image": template.get("imageId", ""),
        "user data": _user_data(template),
        "security groups": tuple(sorted(str(one) for one in groups)),
        "instance profile": tuple(str(one) for one in profile if one),
        "key": template.get("keyName", ""),
    }


def _user_data(template: Resource) -> str:
    try:
        return _digest(base64.b64decode(str(template.get("userData", "")), validate=True))
    except binascii.Error:
        raise Undecidable(template, "userData") from None


def _digest(content: bytes) -> str:
    """What messages show of user data, which may hold secrets."""
    return f"digest {hashlib.sha256(content).hexdigest()[:12]}" if content else "none"


def _facets(group: Group, config: StackConfig) -> Facet:
    ownership = config.warm.ownership if group.tier is Tier.WARM else config.cold.ownership
    return {
        "types": tuple(sorted(group.types)),
        "prepared": None if group.pool is None else group.pool.prepared,
        "on-demand base": group.on_demand_base,
        "on-demand share above": round(group.on_demand_share, 2),
        "minimum": group.minimum,
        "maximum": group.maximum,
        "desired": None if ownership is Ownership.FLOOR else group.desired,
        **_launched(group),
    }


RULE = Rule(
    name="configuration-agrees",
    description="The program declares exactly the machines, groups, launch templates and reservations of the configuration.",
    severity="critical",
    remedy="Restore the program from the repository; change sizes with `tiercast plan`, not in code.",
    settings=RuleSettings,
    decide=decide,
)
