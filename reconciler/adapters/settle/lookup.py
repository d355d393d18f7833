"""What the world holds under the name of a pending creation: domains, volumes, groups and what belongs to them. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.adapters.world.domains import virsh
from reconciler.adapters.world.groups import ask_aws, aws_client
from reconciler.observe.half_created import SEED, VOLUME, FoundResource, PendingOperation
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.observe.world import LiveDomain, Site
from stacks.contract import Hypervisor


def look_up(site: Site, pending: Iterable[PendingOperation], domains: Iterable[LiveDomain]) -> dict[str, FoundResource]:
    """URN → what is there under the name that was to be created; URNs of which nothing is there are absent.

    Args:
        site: the hypervisors, and the provider settings of the cloud.
        pending: operations; only pending creations are looked up.
        domains: every domain of the hypervisors that answered.

    Raises:
        Unavailable: a hypervisor or AWS does not answer, so that it can't be known whether the resource was created.
    """
    seen = {(d.host, d.name): d for d in domains}
    found = {}
    for one in pending:
        if not one.creates:
            continue
        if one.type == DOMAIN:
            there = _domain(site, one, seen)
        elif one.type in (VOLUME, SEED):
            there = _volume(site, one)
        else:
            there = _in_cloud(site, one)
        if there is not None:
            found[one.urn] = there
    return found


def host_of(site: Site, resource: Mapping[str, Any]) -> Hypervisor | None:
    """The hypervisor of a libvirt resource by the name of its provider, `<tier>-<hypervisor>`; None if it is not declared."""
    provider = str(resource.get("provider", "")).split("::")
    tier, _, name = (provider[-2] if len(provider) > 1 else "").partition("-")
    return next((h for t, mine in site.hypervisors.items() if t.value == tier for h in mine if h.name == name), None)


def _domain(site: Site, one: PendingOperation, seen: Mapping[tuple[str, str], LiveDomain]) -> FoundResource | None:
    host = host_of(site, one.resource)
    there = seen.get((host.name, str(one.inputs.get("name")))) if host else None
    if there is None:
        return None
    return FoundResource(id=there.uuid, ours=site.owns(there.description), place=there.host)


def _volume(site: Site, one: PendingOperation) -> FoundResource | None:
    """The volume's key. Its name follows from the stack's slot, and nothing else marks whose it is: it counts as ours because
    the state says that this stack began to create it."""
    host = host_of(site, one.resource)
    if host is None:
        return None
    pool, name = str(one.inputs.get("pool") or "default"), str(one.inputs.get("name"))
    try:
        key = virsh(host, f"vol-key --pool {shlex.quote(pool)} {shlex.quote(name)}").strip()
    except ConnectionError:
        return None
    return FoundResource(id=key, ours=True, place=host.name) if key else None


def _in_cloud(site: Site, one: PendingOperation) -> FoundResource | None:
    name = str(one.inputs.get("name") or "")
    if one.type == GROUP:
        scaling = aws_client("autoscaling", site.provider)
        raw = ask_aws(scaling, "describe_auto_scaling_groups", AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return _first(site, raw, "AutoScalingGroupName")
    if one.type.endswith(":LaunchTemplate"):
        named = [{"Name": "launch-template-name", "Values": [name]}]
        raw = ask_aws(aws_client("ec2", site.provider), "describe_launch_templates", Filters=named)["LaunchTemplates"]
        return _first(site, raw, "LaunchTemplateId")
    return _reservation(site, one) if one.type.endswith(":CapacityReservation") else _balancer(site, one.type, name)


def _first(site: Site, raw: Sequence[Mapping[str, Any]], key: str) -> FoundResource | None:
    return next((_found(site, one[key], one.get("Tags", ())) for one in raw), None)


def _found(site: Site, id: str, tags: Iterable[Mapping[str, str]]) -> FoundResource:
    had = {tag["Key"]: tag["Value"] for tag in tags}
    return FoundResource(id=id, ours=all(had.get(k) == v for k, v in _tags(site).items()), place=site.region)


def _reservation(site: Site, one: PendingOperation) -> FoundResource | None:
    """The newest active reservation with this stack's tags, type and zone: reservations have no name."""
    wanted = {
        "state": "active",
        "instance-type": str(one.inputs.get("instanceType")),
        "availability-zone": str(one.inputs.get("availabilityZone")),
        **{f"tag:{key}": value for key, value in _tags(site).items()},
    }
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    ec2 = aws_client("ec2", site.provider)
    raw = ask_aws(ec2, "describe_capacity_reservations", Filters=filters)["CapacityReservations"]
    newest = max(raw, key=lambda r: r["CreateDate"], default=None)
    return FoundResource(id=newest["CapacityReservationId"], ours=True, place=site.region) if newest else None


def _balancer(site: Site, kind: str, name: str) -> FoundResource | None:
    balancing = aws_client("elbv2", site.provider)
    what = "LoadBalancer" if kind.endswith(":LoadBalancer") else "TargetGroup"
    operation = "describe_load_balancers" if what == "LoadBalancer" else "describe_target_groups"
    try:
        arn = ask_aws(balancing, operation, Names=[name])[f"{what}s"][0][f"{what}Arn"]
        tags = ask_aws(balancing, "describe_tags", ResourceArns=[arn])["TagDescriptions"]
    except (LookupError, IndexError):
        return None
    return _found(site, arn, [tag for one in tags for tag in one.get("Tags", ())])


def _tags(site: Site) -> dict[str, str]:
    return {"project": site.project, "stack": site.stack}
