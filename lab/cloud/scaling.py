"""Auto Scaling's calls as AWS answers them: sizes out of bounds are refused, and what moto forgets on update is kept.

Texts are those of AWS's service, so that whoever learns to read them here can read them there.
"""

from __future__ import annotations

import copy
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores

from lab.cloud.group import LabGroup
from lab.cloud.world import WORLD

#: Group properties that moto takes over neither at creation nor at update.
KEPT_AT_CREATION = (
    "CapacityReservationSpecification",
    "Context",
    "DefaultInstanceWarmup",
    "DesiredCapacityType",
    "InstanceMaintenancePolicy",
    "MaxInstanceLifetime",
)
KEPT_AT_UPDATE = (*KEPT_AT_CREATION, "CapacityRebalance", "DefaultCooldown", "PlacementGroup", "TerminationPolicies")
GONE = "AutoScalingGroup name not found - AutoScalingGroup: {} not found"


class LabAutoScaling(AutoScalingResponse):  # type: ignore[misc]
    """moto's answers, with AWS's refusals before them."""

    def call_action(self) -> Any:
        """Every call passes here: throttling first."""
        if WORLD.throttles(self._get_action()):
            return self.serialized(ActionResult(AutoscalingClientError("Throttling", "Rate exceeded")))
        return super().call_action()

    def create_auto_scaling_group(self) -> ActionResult:
        """Refuses sizes that contradict each other and names that are taken."""
        name = self._get_param("AutoScalingGroupName")
        if name in self.autoscaling_backend.autoscaling_groups:
            raise AutoscalingClientError(
                "AlreadyExists",
                f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
            )
        low, high = self._get_int_param("MinSize"), self._get_int_param("MaxSize")
        desired = self._get_int_param("DesiredCapacity")
        _check_sizes(low, high, low if desired is None else desired)
        # moto launches while it creates; what it does not take over has to be there before the first look.
        super().create_auto_scaling_group()
        self._keep(self._group(name), KEPT_AT_CREATION)
        return EmptyResult()

    def update_auto_scaling_group(self) -> ActionResult:
        """A desired capacity that is given must lie within the bounds; one that is not given is moved into them."""
        group = self._group(self._get_param("AutoScalingGroupName"))
        low = self._or(self._get_int_param("MinSize"), group.min_size)
        high = self._or(self._get_int_param("MaxSize"), group.max_size)
        given = self._get_int_param("DesiredCapacity")
        desired = min(max(group.desired_capacity, low), high) if given is None else given
        _check_sizes(low, high, desired)
        mixed = self._get_param("MixedInstancesPolicy")
        template, configuration = self._get_param("LaunchTemplate", {}), self._get_param("LaunchConfigurationName")
        self._keep(group, KEPT_AT_UPDATE)
        self.autoscaling_backend.update_auto_scaling_group(
            name=group.name,
            availability_zones=self._get_param("AvailabilityZones", []),
            desired_capacity=desired,
            max_size=high,
            min_size=low,
            launch_config_name=configuration,
            launch_template=template,
            vpc_zone_identifier=self._get_param("VPCZoneIdentifier"),
            health_check_period=self._get_int_param("HealthCheckGracePeriod"),
            health_check_type=self._get_param("HealthCheckType"),
            new_instances_protected_from_scale_in=self._get_bool_param("NewInstancesProtectedFromScaleIn", None),
            # moto takes an absent policy for a removed one; AWS keeps it unless another template is given.
            mixed_instances_policy=mixed or (None if template or configuration else _policy_of(group)),
        )
        return EmptyResult()

    def set_desired_capacity(self) -> ActionResult:
        """Refuses a size outside the group's bounds."""
        group = self._group(self._get_param("AutoScalingGroupName"))
        desired = self._get_int_param("DesiredCapacity")
        for beyond, word, bound, limit in (
            (desired > group.max_size, "above", "max", group.max_size),
            (desired < group.min_size, "below", "min", group.min_size),
        ):
            if beyond:
                raise ValidationError(
                    f"New SetDesiredCapacity value {desired} is {word} {bound} value {limit} for the AutoScalingGroup."
                )
        return super().set_desired_capacity()

    def terminate_instance_in_auto_scaling_group(self) -> ActionResult:
        """Refuses to take the group below its minimum."""
        wanted = self._get_param("InstanceId")
        state = next(iter(self.autoscaling_backend.describe_auto_scaling_instances([wanted])), None)
        if state is None:
            raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {wanted}")
        group = state.auto_scaling_group
        decrement = self._get_bool_param("ShouldDecrementDesiredCapacity", False)
        if decrement and group.desired_capacity <= group.min_size:
            raise ValidationError(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size."
            )
        return super().terminate_instance_in_auto_scaling_group()

    def delete_auto_scaling_group(self) -> ActionResult:
        """Refuses a group that still has instances or a pool, unless forced."""
        group = self._group(self._get_param("AutoScalingGroupName"))
        if not self._get_bool_param("ForceDelete", False) and (group.active_instances() or group.pool):
            raise AutoscalingClientError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group.",
            )
        group.warm_pool = None
        group.drop_pool()
        WORLD.activities.pop(group.name, None)
        return super().delete_auto_scaling_group()

    def describe_auto_scaling_groups(self) -> ActionResult:
        """Time has passed since the last look: pending instances may be in service now."""
        self._settle_all()
        return super().describe_auto_scaling_groups()

    def describe_auto_scaling_instances(self) -> ActionResult:
        """As `describe_auto_scaling_groups`."""
        self._settle_all()
        return super().describe_auto_scaling_instances()

    def describe_scaling_activities(self) -> ActionResult:
        """What groups did and what failed, newest first; moto keeps none of it."""
        self._settle_all()
        name = self._get_param("AutoScalingGroupName")
        names = [name] if name else sorted(WORLD.activities)
        found = [activity for group in names for activity in WORLD.activities.get(group, [])]
        return ActionResult({"Activities": found[: self._get_int_param("MaxRecords", 100)]})

    def put_warm_pool(self) -> ActionResult:
        """Keeps what an update leaves out, and fills the pool."""
        params = self._get_params()
        group = self._group(params.get("AutoScalingGroupName"))
        before = group.warm_pool
        group.put_warm_pool(
            # -1 means "not set", as in AWS's own interface.
            max_group_prepared_capacity=self._or(
                params.get("MaxGroupPreparedCapacity"), before and before.max_group_prepared_capacity
            ),
            min_size=self._or(params.get("MinSize"), before and before.min_size),
            pool_state=params.get("PoolState") or (before and before.pool_state),
            instance_reuse_policy=params.get("InstanceReusePolicy") or (before and before.instance_reuse_policy),
        )
        group.settle()
        return EmptyResult()

    def describe_warm_pool(self) -> ActionResult:
        """The pool's configuration and the instances that it holds."""
        group = self._group(self._get_param("AutoScalingGroupName"))
        group.settle()
        return ActionResult({"WarmPoolConfiguration": group.warm_pool, "Instances": group.pool})

    def delete_warm_pool(self) -> ActionResult:
        """Ends the pool and the instances in it."""
        group = self._group(self._get_param("AutoScalingGroupName"))
        group.warm_pool = None
        group.drop_pool()
        return EmptyResult()

    def _group(self, name: Any) -> LabGroup:
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        if not isinstance(group, LabGroup):
            raise ValidationError(GONE.format(name))
        return group

    def _settle_all(self) -> None:
        for group in list(self.autoscaling_backend.autoscaling_groups.values()):
            group.settle()

    def _keep(self, group: LabGroup, names: tuple[str, ...]) -> None:
        params = self._get_params()
        for name in names:
            if params.get(name) is not None:
                setattr(group, camelcase_to_underscores(name), params[name])

    @staticmethod
    def _or(value: Any, otherwise: Any) -> Any:
        return otherwise if value is None else value


def _policy_of(group: LabGroup) -> Any:
    """A group's mixed-instances policy as it would be given again: its template by id alone."""
    policy = copy.deepcopy(group.mixed_instances_policy)
    if policy:
        policy["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName", None)
    return policy


def _check_sizes(low: int, high: int, desired: int) -> None:
    if low > high:
        raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if not low <= desired <= high:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}"
        )
