"""An auto scaling group that launches as AWS does: spread over types and zones, on-demand and spot by the distribution,
out of scarce capacity, with boot delays, and with a warm pool that holds instances. moto's own group does none of this.

Allocation strategies are reduced to what the lab can know: on-demand takes the first type that can be had, spot the
type of which the group has fewest.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, FakeWarmPool, InstanceState
from moto.core.types import Base64EncodedString
from moto.ec2.utils import parse_user_data

from lab.cloud.world import WORLD

SHORTAGE = (
    "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient {type} "
    "capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional "
    "capacity."
)
SPOT_SHORTAGE = (
    "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request "
    "configuration. Please adjust your request and try again."
)
RUNNING, PENDING, STOPPED = ("running", 16), ("pending", 0), ("stopped", 80)


class LabInstance(InstanceState):  # type: ignore[misc]
    """An instance of a group that keeps the version of the launch template that it was launched from; moto forgets it."""

    def __init__(self, instance: Any, *, version: str | None, protected: bool | None) -> None:
        super().__init__(instance, protected_from_scale_in=protected)
        self.version = version

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """Id, name and version as AWS reports them."""
        found = super().launch_template
        return found if found is None or self.version is None else {**found, "Version": self.version}


class LabGroup(FakeAutoScalingGroup):  # type: ignore[misc]
    """moto's group with another way to reach its desired capacity."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.pool: list[InstanceState] = []
        self.ready_at: dict[str, datetime] = {}
        self.registered: set[tuple[str, str]] = set()
        self.instance_states: list[InstanceState] = []
        self.warm_pool: FakeWarmPool | None = None
        super().__init__(*arguments, **named)

    @property
    def user_data(self) -> Base64EncodedString | None:
        """The template's user data. moto keeps that of a later version as text and then refuses to hand it out."""
        if self.ec2_launch_template is None:
            return super().user_data
        data = self.ec2_launch_template.get_version(self.launch_template_version).data.get("UserData")
        return parse_user_data(data) if isinstance(data, str) else data

    def active_instances(self) -> list[InstanceState]:
        """Instances that count towards the desired capacity."""
        return [s for s in self.instance_states if s.lifecycle_state in ("Pending", "InService")]

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Set the wanted size and go there as far as capacity allows."""
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        self.settle()

    def replace_autoscaling_group_instances(self, _count: int, _tags: dict[str, str]) -> None:
        """moto calls this after an instance was terminated by hand."""
        self.settle()

    def settle(self) -> None:
        """Let time pass, then launch or terminate towards the desired capacity, then fill the warm pool."""
        self._ripen()
        wanted = self.desired_capacity or 0
        while len(self.active_instances()) < wanted and (self._take_from_pool() or self._launch()):
            continue
        self._terminate(len(self.active_instances()) - wanted)
        self._settle_pool()
        if self.name in self.autoscaling_backend.autoscaling_groups:
            self.autoscaling_backend.update_attached_elbs(self.name)
            self._register()

    def _register(self) -> None:
        """Register instances that are new with the group's target groups. One that was deregistered stays out, as in AWS."""
        serving = [s.instance_id for s in self.instance_states if s.lifecycle_state == "InService"]
        wanted = {(arn, name) for arn in self.target_group_arns or () for name in serving}
        for arn, name in sorted(wanted - self.registered):
            target = self.autoscaling_backend.elbv2_backend.target_groups.get(arn)
            if target is not None:
                target.register([{"Id": name, "Port": target.port}])
        self.registered = wanted

    def drop_pool(self) -> None:
        """Terminate what the warm pool holds."""
        doomed, self.pool = self.pool, []
        self._end(doomed)

    def is_spot(self, state: InstanceState) -> bool:
        """True for an instance bought on the spot market."""
        return bool(state.instance.lifecycle == "spot")

    def _ripen(self) -> None:
        now = WORLD.now()
        for state in [*self.instance_states, *self.pool]:
            ready = self.ready_at.get(state.instance_id)
            if ready is None or now < ready:
                continue
            del self.ready_at[state.instance_id]
            if state.lifecycle_state == "Pending":
                _put(state, "InService", RUNNING)
                self._note(f"Launching a new EC2 instance: {state.instance_id}", "Successful", ready)
            elif state.lifecycle_state == "Warmed:Pending":
                stopped = self.warm_pool is None or self.warm_pool.pool_state != "Running"
                _put(state, *(("Warmed:Stopped", STOPPED) if stopped else ("Warmed:Running", RUNNING)))

    def _launch(self, *, warmed: bool = False) -> bool:
        spot = not warmed and self._next_is_spot()
        types = self._types(spot=spot)
        kind = next((kind for kind in types if WORLD.take_capacity(kind, spot=spot)), None)
        zone = self._zone()
        if kind is None:
            self._note_shortage(types, zone, spot=spot)
            return False
        state = self._run(kind, zone, spot=spot)
        self.ready_at[state.instance_id] = WORLD.now() + WORLD.boot(kind)
        _put(state, "Warmed:Pending" if warmed else "Pending", PENDING)
        (self.pool if warmed else self.instance_states).append(state)
        self._ripen()
        return True

    def _next_is_spot(self) -> bool:
        if not self.mixed_instances_policy:
            return False
        distribution = self.mixed_instances_policy.get("InstancesDistribution", {})
        base = int(distribution.get("OnDemandBaseCapacity", 0) or 0)
        above = distribution.get("OnDemandPercentageAboveBaseCapacity")
        share = 100 if above is None else int(above)
        wanted = self.desired_capacity or 0
        on_demand = min(wanted, base) + math.ceil(max(0, wanted - base) * share / 100)
        return sum(not self.is_spot(state) for state in self.active_instances()) >= on_demand

    def _types(self, *, spot: bool) -> list[str]:
        """Types to try, best first."""
        policy = self.mixed_instances_policy or {}
        overrides = policy.get("LaunchTemplate", {}).get("Overrides") or []
        types = [str(entry["InstanceType"]) for entry in overrides if entry.get("InstanceType")]
        if not types:
            return [str(self.instance_type)]
        if spot:
            held = Counter(state.instance_type for state in self.active_instances() if self.is_spot(state))
            types.sort(key=lambda kind: held[kind])
        return types

    def _zone(self) -> str:
        held = Counter(state.availability_zone for state in [*self.active_instances(), *self.pool])
        zones: list[str] = self.availability_zones
        return min(zones, key=lambda zone: (held[zone], zone))

    def _run(self, kind: str, zone: str, *, spot: bool) -> InstanceState:
        tags = {**self.get_propagated_tags(), "aws:autoscaling:groupName": self.name, **self.instance_tags}
        template = {"LaunchTemplateId": self.ec2_launch_template.id} if self.ec2_launch_template else None
        if template is not None:
            template["Version"] = self.launch_template_version
        reservation = self.ec2_backend.run_instances(
            self.image_id,
            1,
            self.user_data,
            self.security_groups,
            instance_type=kind,
            tags={"instance": tags},
            placement=zone,
            launch_config=self.launch_config,
            launch_template=template,
            is_instance_type_default=False,
            associate_public_ip=None,
            subnet_id=self._subnet(zone),
        )
        instance = reservation.instances[0]
        instance.autoscaling_group = self
        instance.lifecycle = "spot" if spot else None
        instance.launch_time = WORLD.now()
        version = None
        if self.ec2_launch_template is not None:
            version = str(self.ec2_launch_template.get_version(self.launch_template_version).number)
        return LabInstance(instance, version=version, protected=self.new_instances_protected_from_scale_in)

    def _subnet(self, zone: str) -> str | None:
        names = self.vpc_zone_identifier.split(",") if self.vpc_zone_identifier else []
        for subnet in self.ec2_backend.describe_subnets(subnet_ids=names) if names else []:
            if subnet.availability_zone == zone:
                return str(subnet.id)
        return None

    def _terminate(self, count: int) -> None:
        if count <= 0:
            return
        free = [s for s in self.active_instances() if not s.protected_from_scale_in]
        # Those not yet in service go first; then spot before on-demand where the distribution wants less of it; then
        # the oldest launch.
        free.sort(key=lambda s: (s.lifecycle_state != "Pending", not self.is_spot(s), s.instance.launch_time))
        doomed = free[:count]
        self.instance_states = [state for state in self.instance_states if state not in doomed]
        self._end(doomed)

    def _end(self, doomed: list[InstanceState]) -> None:
        if not doomed:
            return
        self.ec2_backend.terminate_instances([state.instance_id for state in doomed])
        for state in doomed:
            self.ready_at.pop(state.instance_id, None)
            self._note(f"Terminating EC2 instance: {state.instance_id}", "Successful", WORLD.now())

    def _take_from_pool(self) -> bool:
        for state in self.pool:
            if state.lifecycle_state != "Warmed:Pending":
                self.pool.remove(state)
                _put(state, "Pending", PENDING)
                self.ready_at[state.instance_id] = WORLD.now() + WORLD.pool_start()
                self.instance_states.append(state)
                self._ripen()
                return True
        return False

    def _settle_pool(self) -> None:
        pool = self.warm_pool
        if pool is None:
            return
        prepared = pool.max_group_prepared_capacity
        # -1 and nothing both mean "up to the group's maximum".
        limit = int(prepared) if prepared is not None and int(prepared) >= 0 else int(self.max_size or 0)
        wanted = max(int(pool.min_size or 0), limit - int(self.desired_capacity or 0))
        while len(self.pool) < wanted and self._launch(warmed=True):
            continue
        doomed = self.pool[wanted:]
        self.pool = self.pool[:wanted]
        self._end(doomed)

    def _note_shortage(self, types: list[str], zone: str, *, spot: bool) -> None:
        message = (
            SPOT_SHORTAGE if spot else SHORTAGE.format(type=types[0], zone=zone)
        ) + " Launching EC2 instance failed."
        past = WORLD.activities.get(self.name, [])
        # The group tries again whenever it is looked at; one shortage is one activity.
        if not past or past[0]["StatusMessage"] != message:
            self._note("Launching a new EC2 instance", "Failed", WORLD.now(), message)

    def _note(self, description: str, code: str, when: datetime, message: str | None = None) -> None:
        past = WORLD.activities.setdefault(self.name, [])
        number = len(past) + 1
        activity = {
            "ActivityId": f"{number:08d}-{self._id[9:]}",
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.arn,
            "Description": description + (f".  Status Reason: {message}" if message else ""),
            "Cause": f"At {when:%Y-%m-%dT%H:%M:%SZ} the desired capacity was {self.desired_capacity}.",
            "StartTime": when,
            "EndTime": when,
            "StatusCode": code,
            "StatusMessage": message,
            "Progress": 100,
            "Details": "{}",
        }
        past.insert(0, activity)


def _put(state: InstanceState, lifecycle: str, instance: tuple[str, int]) -> None:
    state.lifecycle_state = lifecycle
    state.instance._state.name, state.instance._state.code = instance
