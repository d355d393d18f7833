"""The warm tier: committed cloud capacity in ready state.

Price commitments are inputs to cost and appear nowhere here; a capacity reservation is a guarantee of capacity, billed
whether used or not.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.contract_adopted import NOTHING_ADOPTED, Adopted
from stacks.contract_base import Ownership, Tier
from stacks.contract_cloud import ReadyPool, Reservation, Warm, WarmGroup
from stacks.groups import GroupContext, group_arguments, launch_template, size_arguments, target_tracking
from stacks.tags import Identity


class WarmTier(pulumi.ComponentResource):
    """Reservations per type and zone; a group per instance type, with its pool of instances that have booted once."""

    def __init__(
        self,
        name: str,
        warm: Warm,
        *,
        identity: Identity,
        target_groups: tuple[pulumi.Input[str], ...] = (),
        secret: bool = False,
        adopted: Adopted = NOTHING_ADOPTED,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tiercast:stacks:WarmTier", name, None, opts)
        tags = identity.tags(Tier.WARM)
        reserved = {entry.name: _reserve(entry, tags, self) for entry in warm.reservations}
        groups: list[dict[str, Any]] = []
        for group in warm.groups:
            if warm.launch is None:
                raise ValueError("groups need `launch`")  # the contract refuses this earlier
            context = GroupContext(
                tier=Tier.WARM,
                launch=warm.launch,
                ownership=warm.ownership,
                tags=tags,
                target_groups=target_groups,
                secret=secret,
                parent=self,
                adopted=adopted.groups,
            )
            mine = [
                reserved[entry.name].id for entry in warm.reservations if entry.instance_type == group.instance_type
            ]
            groups.append(_group(group, warm, context, mine))
        self.outputs: dict[str, Any] = {
            "ownership": warm.ownership.value,
            "groups": groups,
            "reservations": [
                {
                    "id": reserved[entry.name].id,
                    "instanceType": entry.instance_type,
                    "zone": entry.zone,
                    "count": entry.count,
                }
                for entry in warm.reservations
            ],
        }
        self.register_outputs(self.outputs)


def _reserve(entry: Reservation, tags: dict[str, str], parent: pulumi.Resource) -> aws.ec2.CapacityReservation:
    return aws.ec2.CapacityReservation(
        entry.name,
        instance_type=entry.instance_type,
        instance_platform=entry.platform,
        availability_zone=entry.zone,
        instance_count=entry.count,
        # Any matching instance of the account uses an open reservation.
        instance_match_criteria="targeted",
        end_date_type="unlimited",
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _group(
    group: WarmGroup, warm: Warm, context: GroupContext, reservations: list[pulumi.Output[str]]
) -> dict[str, Any]:
    name = f"warm-{group.name}"
    template = launch_template(name, context, instance_type=group.instance_type)
    scaling = aws.autoscaling.Group(
        name,
        # A version number instead of "$Latest", so that previews show a new template as a change.
        launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
            id=template.id, version=template.latest_version.apply(str)
        ),
        warm_pool=_pool(group.pool),
        capacity_reservation_specification=_reservations_first(reservations),
        # Where the desired count is not ours the provider would wait for the one in its state, which AWS may just have
        # moved to a new bound: that wait can only time out (terraform-provider-aws#26230).
        wait_for_capacity_timeout=None if context.ownership is Ownership.EXACT else "0",
        opts=context.options(name),
        **size_arguments(group.size, context.ownership),
        **group_arguments(name, context, group.tags),
    )
    target_tracking(name, context, scaling, warm.target_tracking)
    pool = group.pool
    return {
        "name": group.name,
        "group": scaling.name,
        "instanceTypes": [group.instance_type],
        "size": {"min": group.size.min, "desired": group.size.desired, "max": group.size.max},
        "preparedCapacity": 0 if pool is None else pool.max_group_prepared_capacity,
    }


def _pool(pool: ReadyPool | None) -> aws.autoscaling.GroupWarmPoolArgs | None:
    if pool is None:
        return None
    return aws.autoscaling.GroupWarmPoolArgs(
        pool_state=pool.state,
        min_size=pool.min_size,
        max_group_prepared_capacity=pool.max_group_prepared_capacity,
        instance_reuse_policy=aws.autoscaling.GroupWarmPoolInstanceReusePolicyArgs(
            reuse_on_scale_in=pool.reuse_on_scale_in
        ),
    )


def _reservations_first(
    ids: list[pulumi.Output[str]],
) -> aws.autoscaling.GroupCapacityReservationSpecificationArgs | None:
    """Reservations first, then on-demand. A group bound to reservations only can't launch a replacement before terminating."""
    if not ids:
        return None
    return aws.autoscaling.GroupCapacityReservationSpecificationArgs(
        capacity_reservation_preference="capacity-reservations-first",
        capacity_reservation_target=aws.autoscaling.GroupCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_ids=ids
        ),
    )
