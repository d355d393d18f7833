"""The stack's auto scaling groups with their instances and target health, by AWS's APIs. Reads only.

    DescribeAutoScalingGroups   by the stack's tags, and by name where the state holds a group without them
    DescribeInstances           state and market of the groups' instances
    DescribeTargetHealth        one call per target group
    DescribeScalingActivities   one call per group: launches that failed for lack of capacity

Each request has a time limit and is repeated on throttling, HTTP 500 and lost connections, so that the whole is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from reconciler.errors import Unavailable
from reconciler.observe.world import LaunchFailure, LiveGroup, LiveMember, Site
from stacks.contract import Tier

if TYPE_CHECKING:
    from botocore.client import BaseClient

#: Instance IDs of one request; scaling activities of a group that are read.
_AT_ONCE, _ACTIVITIES = 500, 20
#: Words in which AWS says that it has no capacity.
_NO_CAPACITY = re.compile("InsufficientInstanceCapacity|UnfulfillableCapacity|insufficient.* capacity|no Spot capacity")


def aws_client(service: Literal["autoscaling", "ec2", "elbv2"], provider: Mapping[str, Any]) -> BaseClient:
    """A client with the region, endpoint, profile and credentials of the provider settings; what they leave out is boto3's.

    boto3 is loaded here alone: a stack without cloud groups does without it.

    Raises:
        Unavailable: region, profile, endpoint or credentials are wrong.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    patience = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 8})
    endpoints: dict[str, str] = {}
    for entry in provider.get("aws:endpoints") or ():
        endpoints |= {name: url for name, url in entry.items() if isinstance(url, str)}
    keys = [provider.get(f"aws:{name}") for name in ("accessKey", "secretKey")]
    known = {"aws_access_key_id": keys[0], "aws_secret_access_key": keys[1]}
    try:
        session = boto3.Session(
            region_name=str(provider.get("aws:region") or "") or None,
            profile_name=str(provider.get("aws:profile") or "") or None,
            **(known if all(isinstance(key, str) and key for key in keys) else {}),
        )
        client: BaseClient = session.client(service, endpoint_url=endpoints.get(service), config=patience)
    except (BotoCoreError, ValueError) as error:
        raise Unavailable(f"AWS can't be asked: {error}") from error
    return client


def read_groups(site: Site, labels: Mapping[str, tuple[Tier, str]]) -> tuple[LiveGroup, ...]:
    """The stack's groups in the order of tier and label.

    Args:
        site: project and stack of the tags, and the provider settings.
        labels: name in the cloud → (tier, label) of the groups that the state holds.

    Raises:
        Unavailable: AWS refuses or does not answer in time. The message names the call.
    """
    scaling = aws_client("autoscaling", site.provider)
    tags = [{"Name": f"tag:{key}", "Values": [value]} for key, value in _tags(site).items()]
    raw = {g["AutoScalingGroupName"]: g for g in _pages(scaling, "describe_auto_scaling_groups", Filters=tags)}
    if missing := sorted(set(labels) - set(raw)):
        for start in range(0, len(missing), 50):
            some = missing[start : start + 50]
            found = _pages(scaling, "describe_auto_scaling_groups", AutoScalingGroupNames=some)
            raw |= {g["AutoScalingGroupName"]: g for g in found}
    ids = [i["InstanceId"] for g in raw.values() for i in g.get("Instances", ())]
    arns = sorted({arn for g in raw.values() for arn in g.get("TargetGroupARNs", ())})
    machines, targets = _machines(site, ids), _targets(site, arns)
    groups = [
        _group(g, label, machines, targets) for name, g in raw.items() if (label := labels.get(name) or _label(g))
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        groups = list(pool.map(lambda one: replace(one, **_activities(scaling, one.group)), groups))
    return tuple(sorted(groups, key=lambda g: (list(Tier).index(g.tier), g.name, g.group)))


def _tags(site: Site) -> dict[str, str]:
    return {"project": site.project, "stack": site.stack}


def _label(raw: Mapping[str, Any]) -> tuple[Tier, str] | None:
    """Tier and label by the tags that the program sets; None for a group without them."""
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
    tier, _, label = tags.get("Name", "").partition("-")
    return (Tier(tier), label) if label and tier == tags.get("tier") and tier in list(Tier) else None


def _machines(site: Site, ids: Sequence[str]) -> dict[str, tuple[str, bool, str]]:
    """Instance → EC2's state, whether it is spot, and why its state changed. Those that EC2 does not know are absent."""
    if not ids:
        return {}
    ec2 = aws_client("ec2", site.provider)
    found = {}
    for start in range(0, len(ids), _AT_ONCE):
        # As a filter: an ID that EC2 has forgotten is then no error.
        some = [{"Name": "instance-id", "Values": list(ids[start : start + _AT_ONCE])}]
        for reservation in _pages(ec2, "describe_instances", Filters=some):
            for one in reservation["Instances"]:
                reason = one.get("StateReason", {}).get("Code", "")
                found[one["InstanceId"]] = (one["State"]["Name"], one.get("InstanceLifecycle") == "spot", reason)
    return found


def _targets(site: Site, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Target group → instance → state. A target group that is gone has no targets."""
    if not arns:
        return {}
    balancing = aws_client("elbv2", site.provider)

    def ask(arn: str) -> dict[str, str]:
        try:
            answer = ask_aws(balancing, "describe_target_health", TargetGroupArn=arn)
        except LookupError:
            return {}
        return {t["Target"]["Id"]: t["TargetHealth"]["State"] for t in answer["TargetHealthDescriptions"]}

    with ThreadPoolExecutor(max_workers=min(8, len(arns))) as pool:
        return dict(zip(arns, pool.map(ask, arns), strict=True))


def _group(
    raw: Mapping[str, Any],
    label: tuple[Tier, str],
    machines: Mapping[str, tuple[str, bool, str]],
    targets: Mapping[str, Mapping[str, str]],
) -> LiveGroup:
    arns = tuple(raw.get("TargetGroupARNs", ()))
    members = []
    for one in raw.get("Instances", ()):
        name = one["InstanceId"]
        state, spot, reason = machines.get(name, ("", False, ""))
        members.append(
            LiveMember(
                id=name,
                instance_type=one.get("InstanceType", ""),
                zone=one.get("AvailabilityZone", ""),
                lifecycle=one["LifecycleState"],
                healthy=one.get("HealthStatus", "").lower() == "healthy",
                state=state,
                targets={arn: targets[arn][name] for arn in arns if name in targets.get(arn, {})},
                template=_template(one.get("LaunchTemplate")),
                spot=spot,
                reason=reason,
                protected=bool(one.get("ProtectedFromScaleIn")),
            )
        )
    mixed = raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    return LiveGroup(
        tier=label[0],
        name=label[1],
        group=raw["AutoScalingGroupName"],
        min=raw["MinSize"],
        desired=raw["DesiredCapacity"],
        max=raw["MaxSize"],
        members=tuple(sorted(members, key=lambda m: m.id)),
        target_groups=arns,
        template=_template(raw.get("LaunchTemplate") or mixed),
        suspended=tuple(sorted(p["ProcessName"] for p in raw.get("SuspendedProcesses", ()))),
    )


def _activities(scaling: BaseClient, group: str) -> dict[str, Any]:
    """Causes of a group's newest activities, its launches that failed for lack of capacity, and whether the newest did."""
    raw = ask_aws(scaling, "describe_scaling_activities", AutoScalingGroupName=group, MaxRecords=_ACTIVITIES)
    launches = [a for a in raw["Activities"] if a["Description"].startswith("Launching")]
    short = [a for a in launches if a["StatusCode"] == "Failed" and _NO_CAPACITY.search(a.get("StatusMessage") or "")]
    failures = tuple(
        LaunchFailure(at=a["StartTime"], spot="Spot" in a["StatusMessage"], why=a["StatusMessage"]) for a in short
    )
    causes = tuple(str(a.get("Cause", "")) for a in raw["Activities"])
    return {"causes": causes, "failures": failures, "stuck": bool(short) and launches[0] is short[0]}


def _template(raw: Mapping[str, Any] | None) -> str:
    return f"{raw.get('LaunchTemplateId', '')}:{raw.get('Version', '')}" if raw else ""


def _pages(client: BaseClient, operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
    """The entries of every page: groups, or reservations."""
    key = {"describe_auto_scaling_groups": "AutoScalingGroups", "describe_instances": "Reservations"}[operation]
    for page in _guarded(operation, lambda: client.get_paginator(operation).paginate(**arguments)):
        yield from page[key]


def ask_aws(client: BaseClient, operation: str, **arguments: Any) -> Mapping[str, Any]:
    """One answer of AWS. Raises LookupError where what was asked for does not exist, Unavailable where AWS does not answer."""
    return next(iter(_guarded(operation, lambda: [getattr(client, operation)(**arguments)])))


def _guarded(operation: str, ask: Any) -> Iterable[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield from ask()
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        code = str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
        if code.endswith("NotFound"):
            raise LookupError(code) from None
        name = "".join(part.capitalize() for part in operation.split("_"))
        raise Unavailable(f"AWS {name} did not answer: {error}") from error
