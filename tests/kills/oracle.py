"""What must hold once runs have converged: nothing lost, nothing doubled, state and world the same, no lock left."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from lab import hypervisors
from tests.e2e.world_site import FleetOnLab


def faults(site: FleetOnLab, *, grown: bool) -> list[str]:
    """What does not hold, in sentences; none if all is well. `grown`: whether the fleet is the large one."""
    exported = json.loads(site.call("pulumi", "stack", "export").stdout)["deployment"]
    resources: list[dict[str, Any]] = exported.get("resources") or []
    found = [f"the state has a pending {one['type']}" for one in exported.get("pending_operations") or ()]
    found += [f"the state marks {r['urn'].rpartition('::')[2]} for deletion" for r in resources if r.get("delete")]
    found += _machines(site, resources, 3 if grown else 2)
    found += _groups(site, resources, {"warm": 2 if grown else 1, "cold": 3 if grown else 2})
    locks = [p.name for p in (site.lab.backend / ".pulumi" / "locks").rglob("*.json*")]
    return found + [f"the backend keeps the lock {name}" for name in locks]


def _machines(site: FleetOnLab, resources: list[dict[str, Any]], wanted: int) -> list[str]:
    recorded = {r["id"] for r in resources if r["type"].endswith(":Domain")}
    live: dict[str, tuple[str, bool]] = {}
    for host in site.lab.hypervisors:
        with hypervisors.connection(host) as opened:
            live |= {d.UUIDString(): (d.name(), bool(d.isActive())) for d in opened.listAllDomains()}
    found = [f"{name} does not run" for name, on in live.values() if not on]
    found += [f"{name} is in no state" for uuid, (name, _) in live.items() if uuid not in recorded]
    found += [f"domain {uuid} of the state does not exist" for uuid in recorded - live.keys()]
    found += [f"{n} domains are named {name}" for name, n in Counter(n for n, _ in live.values()).items() if n > 1]
    return found if len(live) == wanted else [*found, f"{len(live)} domains exist, wanted are {wanted}"]


def _groups(site: FleetOnLab, resources: list[dict[str, Any]], wanted: dict[str, int]) -> list[str]:
    groups = site.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    templates = {t["LaunchTemplateId"] for t in site.aws("ec2").describe_launch_templates()["LaunchTemplates"]}
    named = {g["AutoScalingGroupName"]: g for g in groups}
    found = [
        f"{what} {one} is {'in no state' if one in there else 'gone'}"
        for what, there, kind in (("group", set(named), ":Group"), ("launch template", templates, ":LaunchTemplate"))
        for one in sorted(there ^ {r["id"] for r in resources if r["type"].endswith(kind)})
    ]
    for tier, size in wanted.items():
        mine = [g for name, g in named.items() if name.startswith(f"{tier}-")]
        found += [f"{len(mine)} groups of the {tier} tier exist"] if len(mine) != 1 else []
        for group in mine:
            if (group["MinSize"], len(group["Instances"])) != (size, max(size, group["DesiredCapacity"])):
                found.append(
                    f"{group['AutoScalingGroupName']} has min {group['MinSize']}, desired {group['DesiredCapacity']} and "
                    f"{len(group['Instances'])} instances, wanted are {size}"
                )
    return found
