"""Waiting for an Auto Scaling group to have what was asked, as the provider does: polls, fails on failed
activities, bounded."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from lab.plugins.aws.cloud import Cloud
from lab.plugins.errors import PluginError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def parse_duration(text: str) -> float:
    """Returns a Go duration (``10m``, ``1h30m``, ``0``) in seconds. Raises PluginError for anything else."""
    if text in ("0", "+0", "-0"):
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+-"):
        raise PluginError(f"{text!r} is not a duration: write it as 10m, 90s or 0 (no wait)")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def find_group(cloud: Cloud, name: str, region: str | None) -> dict[str, Any] | None:
    """Returns the group's description, or None where there is none of that name."""
    found = cloud.pages(
        f"reading Auto Scaling Group ({name})",
        "autoscaling",
        "DescribeAutoScalingGroups",
        "AutoScalingGroups",
        region,
        AutoScalingGroupNames=[name],
    )
    return next((dict(group) for group in found if group["AutoScalingGroupName"] == name), None)


def in_service(group: dict[str, Any]) -> int:
    """Returns the healthy capacity in service, in units of capacity (an instance with a weight counts by it)."""
    return sum(
        int(instance.get("WeightedCapacity") or 1)
        for instance in group.get("Instances") or []
        if instance.get("LifecycleState") == "InService" and instance.get("HealthStatus") == "Healthy"
    )


def in_rotation(cloud: Cloud, group: dict[str, Any], region: str | None) -> int:
    """Returns the capacity that is in service and healthy in every target group of the group that knows it."""
    unhealthy: set[str] = set()
    for arn in group.get("TargetGroupARNs") or []:
        doing = f"reading target group ({arn}) instance health"
        health = cloud.call(doing, "elbv2", "DescribeTargetHealth", region, TargetGroupArn=arn)
        for target in health.get("TargetHealthDescriptions") or []:
            if target["TargetHealth"].get("State") != "healthy":
                unhealthy.add(target["Target"]["Id"])
    rest = [one for one in group.get("Instances") or [] if one["InstanceId"] not in unhealthy]
    return in_service({"Instances": rest})


def wait_until(
    cloud: Cloud,
    name: str,
    region: str | None,
    timeout: float,
    lacking: Callable[[dict[str, Any]], str | None],
    *,
    started: datetime.datetime | None = None,
) -> None:
    """Polls the group until ``lacking`` finds nothing to complain of.

    With ``started``, a scaling activity that failed since then ends the wait at once. Raises PluginError with the
    last complaint when ``timeout`` seconds have passed.
    """
    deadline = cloud.pace.clock() + timeout
    while True:
        if started is not None:
            _fail_on_failed_activity(cloud, name, region, started)
        group = find_group(cloud, name, region)
        if group is None:
            raise PluginError(f"reading Auto Scaling Group ({name}): couldn't find resource")
        complaint = lacking(group)
        if complaint is None:
            return
        if cloud.pace.clock() >= deadline:
            raise PluginError(
                f"timeout while waiting for state to become 'ok' (last state: '{complaint}', timeout: {timeout:g}s)"
            )
        cloud.wait(cloud.pace.poll)


def _fail_on_failed_activity(cloud: Cloud, name: str, region: str | None, started: datetime.datetime) -> None:
    activities = cloud.pages(
        f"reading scaling activities of Auto Scaling Group ({name})",
        "autoscaling",
        "DescribeScalingActivities",
        "Activities",
        region,
        AutoScalingGroupName=name,
    )
    failed = [
        f"scaling activity ({one['ActivityId']}): {one['StatusCode']}: {one.get('StatusMessage', '')}"
        for one in activities
        if one.get("StatusCode") == "Failed" and one.get("Progress", 100) == 100 and one["StartTime"] > started
    ]
    if failed:
        raise PluginError("; ".join(failed))
