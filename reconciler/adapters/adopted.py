"""Reads and writes `tiercast:adopted` in the stack file, and finds what is to be adopted in the cloud and on hypervisors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.adapters.files import read_text, write_text
from reconciler.adapters.lock import brief_lock
from reconciler.adapters.project import Project
from reconciler.adapters.world.domains import read_domains
from reconciler.adapters.world.groups import aws_client
from reconciler.errors import InputError, Unavailable
from reconciler.observe.world import LiveDomain
from reconciler.plan.adopted import FoundGroup, adopted_in, with_adopted_key
from reconciler.plan.render import read_config
from stacks.contract import Adopted, Hypervisor


def read_adopted(project: Project) -> Adopted:
    """What the stack file says was adopted; nothing where there is no stack file. Raises InputError if it can't be read."""
    path = project.stack_file
    if not path.exists():
        return Adopted()
    return adopted_in(read_config(read_text(path, "a stack file"), str(path)), str(path))


def change_adopted(project: Project, change: Callable[[Adopted], Adopted]) -> Adopted:
    """Replace what was adopted by what `change` makes of it; every other byte of the stack file stays.

    Raises:
        InputError: the file can't be read or written. Unavailable: another command does not stop writing it.
    """
    path = project.stack_file
    with brief_lock(project.stack_file_lock):
        text = read_text(path, "a stack file") if path.exists() else ""
        adopted = change(adopted_in(read_config(text, str(path)), str(path)))
        write_text(path, with_adopted_key(text, adopted, str(path)), through_link=True)
    return adopted


def find_group(name: str, provider: Mapping[str, Any]) -> FoundGroup:
    """An auto scaling group by its name in the cloud, with its launch template.

    Raises:
        InputError: there is none. Unavailable: AWS refuses or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    scaling: Any = aws_client("autoscaling", provider)
    ec2: Any = aws_client("ec2", provider)
    try:
        groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not groups:
            region = provider.get("aws:region") or "the region of the environment"
            raise InputError(f"--group …={name}", f"there is no such group in {region}.", "Correct the name or region.")
        group = groups[0]
        mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
        used = mixed.get("LaunchTemplateSpecification") or group.get("LaunchTemplate") or {}
        template_id, data = used.get("LaunchTemplateId", ""), {}
        if template_id:
            version = used.get("Version") or "$Default"
            found = ec2.describe_launch_template_versions(LaunchTemplateId=template_id, Versions=[version])
            data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"AWS can't be asked about the group {name}: {error}") from error
    return FoundGroup(
        name=name,
        desired=int(group["DesiredCapacity"]),
        tags={tag["Key"]: tag["Value"] for tag in group.get("Tags", ())},
        template=used.get("LaunchTemplateName", ""),
        template_id=template_id,
        instance_type=data.get("InstanceType", ""),
        instance_types=tuple(o["InstanceType"] for o in mixed.get("Overrides", ()) if "InstanceType" in o),
    )


def find_domain(host: Hypervisor, name: str) -> LiveDomain:
    """A domain by its name on a hypervisor.

    Raises:
        InputError: there is none. Unavailable: the hypervisor does not answer.
    """
    found = read_domains([host])[host.name]
    if found.error:
        raise Unavailable(f"Hypervisor {host.name} can't be read ({found.error}).")
    domain = next((one for one in found.domains if one.name == name), None)
    if domain is None:
        known = ", ".join(sorted(one.name for one in found.domains)) or "none"
        raise InputError(f"--machine …={name}", f"{host.name} has no such domain; it has {known}.", "Correct the name.")
    return domain
