"""The common parts of warm and cold auto scaling groups: launch template, tags, size by ownership, scaling policy."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.contract_adopted import AdoptedGroup
from stacks.contract_base import Ownership, Size, Tier
from stacks.contract_cloud import Launch, TargetTracking

#: Inputs of a group that someone else owns under `external`.
SIZE_INPUTS = ["min_size", "max_size", "desired_capacity"]


@dataclass(frozen=True, kw_only=True)
class GroupContext:
    """The common settings of all groups of a tier."""

    tier: Tier
    launch: Launch
    ownership: Ownership
    tags: Mapping[str, str]
    target_groups: tuple[pulumi.Input[str], ...]
    secret: bool
    parent: pulumi.Resource
    adopted: Mapping[str, AdoptedGroup] = field(default_factory=dict)

    def options(self, name: str) -> pulumi.ResourceOptions:
        """Options of the group `name`. Under `external` its size is set once and then ignored. An adopted group is imported
        and protected."""
        ignored = SIZE_INPUTS if self.ownership is Ownership.EXTERNAL else None
        kept = self.adopted.get(name)
        if kept is None:
            return pulumi.ResourceOptions(parent=self.parent, ignore_changes=ignored)
        return pulumi.ResourceOptions(parent=self.parent, ignore_changes=ignored, import_=kept.group, protect=True)

    def template_options(self, name: str) -> pulumi.ResourceOptions:
        """Options of the launch template of the group `name`."""
        kept = self.adopted.get(name)
        if kept is None:
            return pulumi.ResourceOptions(parent=self.parent)
        return pulumi.ResourceOptions(parent=self.parent, import_=kept.template_id, protect=True)


def size_arguments(size: Size, ownership: Ownership) -> dict[str, int]:
    """Size inputs of a group.

    Under `floor` the desired count is omitted, because the scaling policy owns it. AWS starts the group at the minimum.
    It moves the desired count when a new minimum or maximum passes it.
    """
    bounds = {"min_size": size.min, "max_size": size.max}
    return bounds if ownership is Ownership.FLOOR else {**bounds, "desired_capacity": size.desired}


def launch_template(name: str, context: GroupContext, *, instance_type: str | None) -> aws.ec2.LaunchTemplate:
    """The launch template of one group; every input stays equal over plans, else each plan would replace instances."""
    launch = context.launch
    kept = context.adopted.get(name)
    return aws.ec2.LaunchTemplate(
        name,
        name=kept.template if kept is not None else None,
        image_id=launch.image_id,
        instance_type=instance_type,
        user_data=_encoded(launch.user_data, secret=context.secret),
        key_name=launch.key_name or None,
        vpc_security_group_ids=list(launch.security_groups) or None,
        iam_instance_profile=_profile(launch.instance_profile),
        block_device_mappings=_root_volume(launch),
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_endpoint="enabled", http_tokens="required"),
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type="volume", tags=dict(context.tags)),
        ],
        tags=dict(context.tags),
        opts=context.template_options(name),
    )


def group_arguments(name: str, context: GroupContext, own_tags: Mapping[str, str]) -> dict[str, Any]:
    """Inputs of a group that do not depend on how its instances are bought."""
    launch = context.launch
    kept = context.adopted.get(name)
    tags = {**context.tags, **own_tags, "Name": name}
    return {
        "name": kept.group if kept is not None else None,
        "vpc_zone_identifiers": list(launch.subnets) or None,
        "availability_zones": None if launch.subnets else list(launch.zones),
        "target_group_arns": [*launch.target_groups, *context.target_groups] or None,
        "health_check_type": launch.health_check_type,
        "health_check_grace_period": launch.health_check_grace_seconds,
        "instance_refresh": _refresh(launch),
        "tags": [
            aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True)
            for key, value in sorted(tags.items())
        ],
    }


def target_tracking(
    name: str, context: GroupContext, group: aws.autoscaling.Group, tracking: TargetTracking | None
) -> aws.autoscaling.Policy | None:
    """The scaling policy that moves the desired count between minimum and maximum; only under `floor`."""
    if tracking is None or context.ownership is not Ownership.FLOOR:
        return None
    return aws.autoscaling.Policy(
        f"{name}-cpu",
        autoscaling_group_name=group.name,
        policy_type="TargetTrackingScaling",
        target_tracking_configuration=aws.autoscaling.PolicyTargetTrackingConfigurationArgs(
            predefined_metric_specification=(
                aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type="ASGAverageCPUUtilization"
                )
            ),
            target_value=tracking.cpu_percent,
            disable_scale_in=tracking.disable_scale_in,
        ),
        opts=pulumi.ResourceOptions(parent=context.parent),
    )


def _encoded(user_data: str, *, secret: bool) -> pulumi.Input[str] | None:
    if not user_data:
        return None
    text = base64.b64encode(user_data.encode()).decode()
    return pulumi.Output.secret(text) if secret else text


def _profile(profile: str) -> aws.ec2.LaunchTemplateIamInstanceProfileArgs | None:
    if not profile:
        return None
    if profile.startswith("arn:"):
        return aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=profile)
    return aws.ec2.LaunchTemplateIamInstanceProfileArgs(name=profile)


def _root_volume(launch: Launch) -> list[aws.ec2.LaunchTemplateBlockDeviceMappingArgs] | None:
    if not launch.root_volume_gib:
        return None
    return [
        aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
            device_name=launch.root_device,
            ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                volume_size=launch.root_volume_gib, volume_type="gp3", encrypted="true", delete_on_termination="true"
            ),
        )
    ]


def _refresh(launch: Launch) -> aws.autoscaling.GroupInstanceRefreshArgs | None:
    """Launch before terminate: capacity never drops, and up to a tenth more instances run during the refresh."""
    if not launch.instance_refresh:
        return None
    return aws.autoscaling.GroupInstanceRefreshArgs(
        strategy="Rolling",
        preferences=aws.autoscaling.GroupInstanceRefreshPreferencesArgs(
            min_healthy_percentage=100, max_healthy_percentage=110
        ),
    )
