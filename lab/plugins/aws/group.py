"""``aws:autoscaling/group:Group``: the calls, in the order the real provider makes them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws.capacity import find_group, in_rotation, in_service, parse_duration, wait_until
from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.group_request import (
    SPEC,
    create_request,
    group_tags,
    outputs_from,
    refresh_request,
    update_request,
    warm_pool_request,
)
from lab.plugins.aws.naming import resource_name
from lab.plugins.aws.shapes import to_request
from lab.plugins.errors import PartialFailureError, PluginError
from lab.plugins.resource import Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_BATCH: Final = 10  # the API attaches and detaches at most ten at a time
_DELETE_TIMEOUT: Final = 600.0
_REFRESHING: Final = frozenset({"launchConfiguration", "launchTemplate", "mixedInstancesPolicy"})


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The calls for Auto Scaling groups. The id is the group's name."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the group, waits for its capacity, then sets suspended processes, metrics and the warm pool."""
        name, region = resource_name(inputs), inputs.get("region")
        started = datetime.datetime.now(datetime.UTC)
        hooks = inputs.get("initialLifecycleHooks")
        request = create_request(self.cloud, name, inputs)
        sizes = {key: request[key] for key in ("MinSize", "MaxSize", "DesiredCapacity") if key in request}
        if hooks:
            # Instances must not start before the hooks exist: first an empty group, then its hooks, then its size.
            hook_specifications = request.pop("LifecycleHookSpecificationList", [])
            request |= {"MinSize": 0, "MaxSize": 0}
            request.pop("DesiredCapacity", None)
        self._call(f"creating Auto Scaling Group ({name})", "CreateAutoScalingGroup", region, **request)
        try:
            if hooks:
                for hook in hook_specifications:
                    doing = f"creating Auto Scaling Group ({name}) Lifecycle Hook"
                    self._call(doing, "PutLifecycleHook", region, AutoScalingGroupName=name, **hook)
                doing = f"setting Auto Scaling Group ({name}) initial capacity"
                self._call(doing, "UpdateAutoScalingGroup", region, AutoScalingGroupName=name, **sizes)
            self._wait_after_create(name, inputs, started)
            self._processes(name, region, [], inputs.get("suspendedProcesses") or [])
            self._metrics(name, region, [], inputs)
            if inputs.get("warmPool"):
                doing = f"creating Auto Scaling Warm Pool ({name})"
                self._call(doing, "PutWarmPool", region, **warm_pool_request(self.cloud, name, inputs["warmPool"]))
        except PluginError as error:
            outputs = {**inputs, "name": name, **(self.read(name, inputs) or {})}
            raise PartialFailureError(str(error), id=name, outputs=outputs, code=error.code) from error
        return Created(id=name, outputs={**inputs, **(self.read(name, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the group as it is."""
        group = find_group(self.cloud, id, state.get("region"))
        if group is None or group.get("Status", "").startswith("Delete"):
            return None
        return outputs_from(self.cloud, group, state)

    def update(self, id: str, change: Change) -> Properties:
        """Sends what changed, part by part, and waits for the capacity where a size changed."""
        inputs, changed, region = change.inputs, change.changed, change.inputs.get("region")
        started = datetime.datetime.now(datetime.UTC)
        request = update_request(self.cloud, id, inputs, changed)
        if request is not None:
            self._call(f"updating Auto Scaling Group ({id})", "UpdateAutoScalingGroup", region, **request)
        try:
            self._update_parts(id, change)
            if changed & {"desiredCapacity", "desiredCapacityType", "minSize"}:
                self._wait_after_update(id, change, started)
        except PluginError as error:
            outputs = {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}
            raise PartialFailureError(str(error), id=id, outputs=outputs, code=error.code) from error
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Drains the group to zero (unless forced), then deletes it; one that is gone is done."""
        region, force = state.get("region"), bool(state.get("forceDelete"))
        group = find_group(self.cloud, id, region)
        if group is None:
            return
        if group.get("WarmPoolConfiguration"):
            self._delete_warm_pool(id, region, force=force or bool(state.get("forceDeleteWarmPool")))
        doing = f"deleting Auto Scaling Group ({id})"
        try:
            if not force and group.get("Status") is None:
                self._drain(id, region, group)
            self._call(doing, "DeleteAutoScalingGroup", region, AutoScalingGroupName=id, ForceDelete=force)
        except PluginError as error:
            if not (error.code == "ValidationError" and "not found" in str(error)):
                raise

        def present(_group: dict[str, Any]) -> str:
            return "still present"

        try:
            wait_until(self.cloud, id, region, _DELETE_TIMEOUT, present)
        except PluginError as error:
            if "couldn't find resource" not in str(error):
                raise

    def _update_parts(self, id: str, change: Change) -> None:
        inputs, state, changed, region = change.inputs, change.state, change.changed, change.inputs.get("region")
        if "tags" in changed:
            self._tags(id, region, state.get("tags") or [], inputs.get("tags") or [])
        for name, member in (("loadBalancers", "LoadBalancerNames"), ("targetGroupArns", "TargetGroupARNs")):
            if name in changed:
                what = "LoadBalancers" if name == "loadBalancers" else "LoadBalancerTargetGroups"
                self._attach(id, region, what, member, state.get(name) or [], inputs.get(name) or [])
        if "trafficSources" in changed:
            shape = self.cloud.shape("autoscaling", "TrafficSources")
            old, new = (to_request(shape, side.get("trafficSources") or []) for side in (state, inputs))
            self._attach(id, region, "TrafficSources", "TrafficSources", old, new)
        if inputs.get("instanceRefresh"):
            triggers = set(inputs["instanceRefresh"].get("triggers") or [])
            # Triggers are written in the provider's own spelling (`launch_template`, `tag`), ours is the wire's.
            words = {"".join(part.capitalize() for part in name.split("_")).lower() for name in triggers}
            triggered = {name for name in changed if name.lower() in words or name.lower().rstrip("s") in words}
            if changed & _REFRESHING or triggered:
                self._refresh(id, region, inputs)
        if "warmPool" in changed:
            if inputs.get("warmPool"):
                doing = f"updating Auto Scaling Warm Pool ({id})"
                self._call(doing, "PutWarmPool", region, **warm_pool_request(self.cloud, id, inputs["warmPool"]))
            else:
                force = bool(inputs.get("forceDelete") or inputs.get("forceDeleteWarmPool"))
                self._delete_warm_pool(id, region, force=force)
        if "enabledMetrics" in changed:
            self._metrics(id, region, state.get("enabledMetrics") or [], inputs)
        if "suspendedProcesses" in changed:
            self._processes(id, region, state.get("suspendedProcesses") or [], inputs.get("suspendedProcesses") or [])

    def _wait_after_create(self, name: str, inputs: Properties, started: datetime.datetime) -> None:
        least = int(inputs.get("desiredCapacity") or inputs["minSize"])
        behind = int(inputs.get("waitForElbCapacity") or inputs.get("minElbCapacity") or 0)

        def lacking(group: dict[str, Any]) -> str | None:
            have = in_service(group)
            if have < least:
                return f"want at least {least} healthy instance(s) in Auto Scaling Group, have {have}"
            if behind and (routed := in_rotation(self.cloud, group, inputs.get("region"))) < behind:
                return f"want at least {behind} healthy instance(s) registered to Load Balancer, have {routed}"
            return None

        self._wait(name, inputs, started, lacking)

    def _wait_after_update(self, id: str, change: Change, started: datetime.datetime) -> None:
        # As upstream: an unset desired size counts with its value in the state, even where the new maximum lies below
        # it.
        # The wait then can't succeed (terraform-provider-aws#26230); with a timeout of "0" there is none.
        desired = int(change.inputs.get("desiredCapacity", change.state.get("desiredCapacity")) or 0)
        wanted = max(int(change.inputs["minSize"]), desired)
        behind = int(change.inputs.get("waitForElbCapacity") or 0)

        def lacking(group: dict[str, Any]) -> str | None:
            have = in_service(group)
            if have != wanted:
                return f"want exactly {wanted} healthy instance(s) in Auto Scaling Group, have {have}"
            if behind and (routed := in_rotation(self.cloud, group, change.inputs.get("region"))) != behind:
                return f"want exactly {behind} healthy instance(s) registered to Load Balancer, have {routed}"
            return None

        self._wait(id, change.inputs, started, lacking)

    def _wait(self, name: str, inputs: Properties, started: datetime.datetime, lacking: Any) -> None:
        timeout = parse_duration(str(inputs.get("waitForCapacityTimeout") or "0"))
        if timeout <= 0:
            return
        since = None if inputs.get("ignoreFailedScalingActivities") else started
        try:
            wait_until(self.cloud, name, inputs.get("region"), timeout, lacking, started=since)
        except PluginError as error:
            raise PluginError(f"waiting for Auto Scaling Group ({name}) capacity satisfied: {error}") from error

    def _drain(self, id: str, region: str | None, group: dict[str, Any]) -> None:
        doing = f"setting Auto Scaling Group ({id}) capacity to 0"
        zero = {"DesiredCapacity": 0, "MinSize": 0, "MaxSize": 0}
        self._call(doing, "UpdateAutoScalingGroup", region, AutoScalingGroupName=id, **zero)
        protected = [one["InstanceId"] for one in group.get("Instances") or [] if one.get("ProtectedFromScaleIn")]
        if protected:
            doing = f"disabling Auto Scaling Group ({id}) scale-in protections"
            request = {"AutoScalingGroupName": id, "InstanceIds": protected, "ProtectedFromScaleIn": False}
            self._call(doing, "SetInstanceProtection", region, **request)

        def lacking(now: dict[str, Any]) -> str | None:
            left = len(now.get("Instances") or [])
            return f"{left} instance(s) left" if left else None

        wait_until(self.cloud, id, region, _DELETE_TIMEOUT, lacking)

    def _delete_warm_pool(self, id: str, region: str | None, *, force: bool) -> None:
        if not force:
            doing = f"setting Auto Scaling Warm Pool ({id}) capacity to 0"
            request = {"AutoScalingGroupName": id, "MaxGroupPreparedCapacity": 0, "MinSize": 0}
            self._call(doing, "PutWarmPool", region, **request)

            def lacking(group: dict[str, Any]) -> str | None:
                return f"{group['WarmPoolSize']} instance(s) left" if group.get("WarmPoolSize") else None

            wait_until(self.cloud, id, region, _DELETE_TIMEOUT, lacking)
        try:
            doing = f"deleting Auto Scaling Warm Pool ({id})"
            self._call(doing, "DeleteWarmPool", region, AutoScalingGroupName=id, ForceDelete=force)
        except PluginError as error:
            if "No warm pool found" not in str(error):
                raise

    def _refresh(self, id: str, region: str | None, inputs: Properties) -> None:
        request = refresh_request(self.cloud, id, inputs)
        self._call(f"starting Auto Scaling Group ({id}) instance refresh", "StartInstanceRefresh", region, **request)

    def _tags(self, id: str, region: str | None, old: list[Properties], new: list[Properties]) -> None:
        before = {tag["Key"]: tag for tag in group_tags(id, old)}
        after = {tag["Key"]: tag for tag in group_tags(id, new)}
        doing = f"updating tags for Auto Scaling Group ({id})"
        if gone := [tag for key, tag in before.items() if key not in after]:
            self._call(doing, "DeleteTags", region, Tags=gone)
        if changed := [tag for key, tag in after.items() if before.get(key) != tag]:
            self._call(doing, "CreateOrUpdateTags", region, Tags=changed)

    def _attach(self, id: str, region: str | None, what: str, member: str, old: list[Any], new: list[Any]) -> None:
        for verb, items in (
            ("Detach", [one for one in old if one not in new]),
            ("Attach", [one for one in new if one not in old]),
        ):
            doing = f"{verb.lower()}ing Auto Scaling Group ({id}) {member}"
            for start in range(0, len(items), _BATCH):
                request = {"AutoScalingGroupName": id, member: items[start : start + _BATCH]}
                self._call(doing, f"{verb}{what}", region, **request)

    def _processes(self, id: str, region: str | None, old: list[str], new: list[str]) -> None:
        for verb, items in (("Resume", set(old) - set(new)), ("Suspend", set(new) - set(old))):
            if items:
                doing = f"{verb.lower().rstrip('e')}ing Auto Scaling Group ({id}) scaling processes"
                request = {"AutoScalingGroupName": id, "ScalingProcesses": sorted(items)}
                self._call(doing, f"{verb}Processes", region, **request)

    def _metrics(self, id: str, region: str | None, old: list[str], inputs: Properties) -> None:
        new = inputs.get("enabledMetrics") or []
        if gone := sorted(set(old) - set(new)):
            doing = f"disabling Auto Scaling Group ({id}) metrics collection"
            self._call(doing, "DisableMetricsCollection", region, AutoScalingGroupName=id, Metrics=gone)
        if added := sorted(set(new) - set(old)):
            doing = f"enabling Auto Scaling Group ({id}) metrics collection"
            granularity = inputs.get("metricsGranularity") or "1Minute"
            request = {"AutoScalingGroupName": id, "Metrics": added, "Granularity": granularity}
            self._call(doing, "EnableMetricsCollection", region, **request)

    def _call(self, doing: str, operation: str, region: str | None, /, **request: Any) -> dict[str, Any]:
        return self.cloud.call(doing, "autoscaling", operation, region, **request)
