"""What is really there: machines asked over HTTP, groups, pools and reservations over the cloud's API."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass

import boto3

from lab import hypervisors
from lab.errors import LabError
from lab.model import Lab

Say = Callable[[str], None]

#: A machine without hardware virtualisation boots in seconds; on a busy runner it may take longer.
BOOT_SECONDS = 120.0


def machines(lab: Lab, say: Say) -> None:
    """Show every machine with its answer over HTTP on 127.0.0.1.

    Raises:
        LabError: one does not answer within `BOOT_SECONDS`.
    """
    for hypervisor in lab.hypervisors:
        for name, runs in sorted(hypervisors.machines(hypervisor).items()):
            port = hypervisor.base_port + int(name.rsplit("-", 1)[1])
            said = fetch(port) if runs else "(stopped)"
            say(f"{hypervisor.name}  {name}  {'running' if runs else 'stopped'}  http://127.0.0.1:{port}  {said}")


def fetch(port: int, path: str = "/") -> str:
    """First line of a machine's answer; waits until it has booted."""
    until = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read(200).decode(errors="replace").strip().splitlines()[0])
        except (urllib.error.URLError, OSError, IndexError) as error:
            if time.monotonic() > until:
                raise LabError(
                    f"the machine at 127.0.0.1:{port} does not answer within {BOOT_SECONDS:g} s: {error}"
                ) from None
            time.sleep(0.5)


@dataclass(frozen=True, kw_only=True)
class SeenGroup:
    """An Auto Scaling group: its bounds, size and instances, and `prepared`, the most that its warm pool holds (None: no pool)."""

    name: str
    min: int
    desired: int
    max: int
    instances: int
    prepared: int | None


@dataclass(frozen=True, kw_only=True)
class SeenReservation:
    """An active capacity reservation."""

    type: str
    zone: str
    count: int
    state: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the lab's account holds, each in the order of its name."""

    groups: tuple[SeenGroup, ...]
    templates: tuple[str, ...]
    reservations: tuple[SeenReservation, ...]


def account(lab: Lab) -> Account:
    """Groups, launch templates and active reservations of the lab's account."""

    session = boto3.Session(region_name=lab.region, aws_access_key_id="lab", aws_secret_access_key="lab")
    scaling = session.client("autoscaling", endpoint_url=lab.cloud_endpoint)
    ec2 = session.client("ec2", endpoint_url=lab.cloud_endpoint)
    groups = []
    for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        pool = scaling.describe_warm_pool(AutoScalingGroupName=group["AutoScalingGroupName"]).get(
            "WarmPoolConfiguration"
        )
        groups.append(
            SeenGroup(
                name=group["AutoScalingGroupName"],
                min=group["MinSize"],
                desired=group["DesiredCapacity"],
                max=group["MaxSize"],
                instances=len(group.get("Instances", [])),
                prepared=(pool or {}).get("MaxGroupPreparedCapacity"),
            )
        )
    templates = [t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]]
    reservations = [
        SeenReservation(
            type=r["InstanceType"], zone=r["AvailabilityZone"], count=r["TotalInstanceCount"], state=r["State"]
        )
        for r in ec2.describe_capacity_reservations()["CapacityReservations"]
        if r["State"] == "active"
    ]
    return Account(
        groups=tuple(sorted(groups, key=lambda g: g.name)),
        templates=tuple(sorted(templates)),
        reservations=tuple(sorted(reservations, key=lambda r: r.type)),
    )


def cloud(lab: Lab, say: Say) -> None:
    """Show the account."""
    found = account(lab)
    for group in found.groups:
        pool = f", warm pool up to {group.prepared}" if group.prepared is not None else ""
        say(f"group {group.name}: {group.min} ≤ {group.desired} ≤ {group.max}, {group.instances} instances{pool}")
    say(f"launch templates: {', '.join(found.templates)}")
    for held in found.reservations:
        say(f"capacity reservation: {held.count} × {held.type} in {held.zone}, {held.state}")


def fingerprint(lab: Lab) -> str:
    """Digest of all machines and of the account: equal before and after a preview."""
    running = {h.name: hypervisors.machines(h) for h in lab.hypervisors}
    return hashlib.sha256(json.dumps([running, asdict(account(lab))], sort_keys=True).encode()).hexdigest()
