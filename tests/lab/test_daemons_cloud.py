"""The lab's AWS over real HTTP: what AWS refuses is refused, what moto lacks is there, faults come when asked for."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from reconciler.adapters.world.groups import read_groups
from reconciler.observe.world import Site
from stacks.contract import Tier

ZONES = ["us-east-1a", "us-east-1b"]


class Cloud:
    """A running server and clients for it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="lab",
            aws_secret_access_key="lab",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def tell(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def cloud(endpoint: str) -> Iterator[Cloud]:
    cloud = Cloud(endpoint)
    yield cloud
    cloud.tell("/lab/faults", method="DELETE")
    scaling, ec2 = cloud.client("autoscaling"), cloud.client("ec2")
    for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        scaling.delete_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], ForceDelete=True)
    for template in ec2.describe_launch_templates()["LaunchTemplates"]:
        ec2.delete_launch_template(LaunchTemplateId=template["LaunchTemplateId"])


def make_group(cloud: Cloud, low: int, desired: int, high: int, **more: Any) -> Any:
    ec2, scaling = cloud.client("ec2"), cloud.client("autoscaling")
    ec2.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "m5.large"}
    )
    how = more or {"LaunchTemplate": {"LaunchTemplateName": "web", "Version": "1"}}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="warm",
        MinSize=low,
        DesiredCapacity=desired,
        MaxSize=high,
        AvailabilityZones=ZONES,
        **how,
    )
    return scaling


def group_of(scaling: Any) -> Any:
    return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["warm"])["AutoScalingGroups"][0]


def mixed(base: int, share: int, types: list[str]) -> dict[str, Any]:
    return {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "1"},
                "Overrides": [{"InstanceType": kind} for kind in types],
            },
            "InstancesDistribution": {
                "OnDemandBaseCapacity": base,
                "OnDemandPercentageAboveBaseCapacity": share,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
        }
    }


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_desired_size_outside_the_bounds_is_refused(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 2, 4)
    update = {"AutoScalingGroupName": "warm", "MinSize": 5, "DesiredCapacity": 2, "MaxSize": 10}
    assert refusal(scaling.update_auto_scaling_group, **update) == (
        "ValidationError",
        "Desired capacity:2 must be between the specified min size:5 and max size:10",
    )
    assert refusal(scaling.set_desired_capacity, AutoScalingGroupName="warm", DesiredCapacity=5) == (
        "ValidationError",
        "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.",
    )
    assert refusal(scaling.set_desired_capacity, AutoScalingGroupName="warm", DesiredCapacity=0)[1].endswith(
        "is below min value 1 for the AutoScalingGroup."
    )
    group = group_of(scaling)
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"], len(group["Instances"])) == (1, 2, 4, 2)


@pytest.mark.parametrize(("change", "desired"), [({"MinSize": 3}, 3), ({"MaxSize": 1}, 1), ({"MaxSize": 8}, 2)])
def test_bounds_without_a_desired_size_move_it_between_them(cloud: Cloud, change: dict[str, int], desired: int) -> None:
    scaling = make_group(cloud, 1, 2, 4)
    scaling.update_auto_scaling_group(AutoScalingGroupName="warm", **change)
    group = group_of(scaling)
    assert group["DesiredCapacity"] == desired
    assert len(group["Instances"]) == desired


def test_what_an_update_leaves_out_stays(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 2, 4, **mixed(1, 0, ["m5.large", "c5.large"]))
    scaling.update_auto_scaling_group(AutoScalingGroupName="warm", MaxSize=6, CapacityRebalance=True, DefaultCooldown=7)
    group = group_of(scaling)
    assert [o["InstanceType"] for o in group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]] == [
        "m5.large",
        "c5.large",
    ]
    assert group["CapacityRebalance"] is True
    assert group["DefaultCooldown"] == 7


def test_a_mixed_group_buys_its_base_on_demand_and_spreads_spot_over_types_and_zones(cloud: Cloud) -> None:
    make_group(cloud, 0, 7, 9, **mixed(1, 0, ["m5.large", "c5.large", "r5.large"]))
    held = cloud.tell("/lab/state")["groups"]["warm"]["instances"]
    assert [i["type"] for i in held if not i["spot"]] == ["m5.large"]
    assert sorted(i["type"] for i in held if i["spot"]) == ["c5.large"] * 2 + ["m5.large"] * 2 + ["r5.large"] * 2
    assert abs(sum(i["zone"] == ZONES[0] for i in held) - sum(i["zone"] == ZONES[1] for i in held)) <= 1


def test_scarce_capacity_leaves_the_group_below_its_desired_size_and_says_why(cloud: Cloud) -> None:
    cloud.tell("/lab/faults", {"capacity": {"m5.large": 2}})
    scaling = make_group(cloud, 1, 4, 4)
    assert len(group_of(scaling)["Instances"]) == 2
    activity = scaling.describe_scaling_activities(AutoScalingGroupName="warm")["Activities"][0]
    assert activity["StatusCode"] == "Failed"
    assert "InsufficientInstanceCapacity" in activity["StatusMessage"]
    cloud.tell("/lab/faults", {"capacity": {"m5.large": 9}})
    assert len(group_of(scaling)["Instances"]) == 4


def test_a_spot_shortage_leaves_on_demand_capacity_and_is_read_with_its_market(cloud: Cloud) -> None:
    cloud.tell("/lab/faults", {"spot_capacity": {"*": 1}})
    scaling = make_group(cloud, 1, 4, 6, **mixed(1, 0, ["m5.large", "c5.large"]))
    scaling.create_or_update_tags(
        Tags=[
            {"Key": key, "Value": value, "ResourceId": "warm", "ResourceType": "auto-scaling-group"}
            | {"PropagateAtLaunch": False}
            for key, value in {"project": "p", "stack": "s", "tier": "cold", "Name": "cold-burst"}.items()
        ]
    )
    provider = {
        "aws:region": "us-east-1",
        "aws:accessKey": "lab",
        "aws:secretKey": "lab",
        "aws:endpoints": [dict.fromkeys(("autoscaling", "ec2", "elbv2"), cloud.endpoint)],
    }
    site = Site(project="p", stack="s", cloud=True, provider=provider)
    (group,) = read_groups(site, {})
    assert [m.spot for m in group.members].count(True) == 1
    assert (len(group.members), group.desired, group.stuck) == (2, 4, True)
    assert [f.spot for f in group.failures] == [True]
    assert "UnfulfillableCapacity" in group.failures[0].why
    # On demand there is capacity: a distribution without spot fills the group.
    policy = mixed(6, 0, ["m5.large", "c5.large"])["MixedInstancesPolicy"]
    scaling.update_auto_scaling_group(AutoScalingGroupName="warm", MixedInstancesPolicy=policy)
    (group,) = read_groups(site, {})
    assert len(group.members) == 4


def test_a_third_of_failing_calls_is_retried_by_what_reads_the_cloud(cloud: Cloud) -> None:
    make_group(cloud, 1, 2, 4)
    cloud.tell("/lab/faults", {"failing": 0.34})
    endpoints = [dict.fromkeys(("autoscaling", "ec2", "elbv2"), cloud.endpoint)]
    keys = {"aws:accessKey": "lab", "aws:secretKey": "lab"}
    site = Site(
        project="p", stack="s", cloud=True, provider={"aws:region": "us-east-1", "aws:endpoints": endpoints, **keys}
    )
    for _ in range(3):
        (group,) = read_groups(site, {"warm": (Tier.WARM, "web")})
        assert len(group.members) == 2
    cloud.tell("/lab/faults", {"failing": 1})
    with pytest.raises(ClientError) as failed:
        group_of(cloud.client("autoscaling"))
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_an_instance_is_pending_until_it_has_booted(cloud: Cloud) -> None:
    cloud.tell("/lab/faults", {"boot_seconds": {"m5.large": 300}})
    scaling = make_group(cloud, 1, 2, 4)
    assert {i["LifecycleState"] for i in group_of(scaling)["Instances"]} == {"Pending"}
    cloud.tell("/lab/clock", {"advance_seconds": 301})
    assert {i["LifecycleState"] for i in group_of(scaling)["Instances"]} == {"InService"}


def test_a_warm_pool_holds_stopped_instances_that_start_faster_than_new_ones(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 1, 5)
    scaling.put_warm_pool(AutoScalingGroupName="warm", MaxGroupPreparedCapacity=3, PoolState="Stopped")
    pool = scaling.describe_warm_pool(AutoScalingGroupName="warm")
    assert [i["LifecycleState"] for i in pool["Instances"]] == ["Warmed:Stopped"] * 2
    assert pool["WarmPoolConfiguration"]["MaxGroupPreparedCapacity"] == 3
    cloud.tell("/lab/faults", {"boot_seconds": {"*": 300}, "pool_start_seconds": 30})
    scaling.set_desired_capacity(AutoScalingGroupName="warm", DesiredCapacity=4)
    cloud.tell("/lab/clock", {"advance_seconds": 31})
    states = sorted(i["LifecycleState"] for i in group_of(scaling)["Instances"])
    assert states == ["InService", "InService", "InService", "Pending"]
    scaling.delete_warm_pool(AutoScalingGroupName="warm")
    assert scaling.describe_warm_pool(AutoScalingGroupName="warm")["Instances"] == []


def test_a_group_with_instances_is_deleted_only_by_force(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 1, 2)
    assert refusal(scaling.delete_auto_scaling_group, AutoScalingGroupName="warm")[0] == "ResourceInUse"
    scaling.delete_auto_scaling_group(AutoScalingGroupName="warm", ForceDelete=True)
    assert scaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_throttled_calls_say_rate_exceeded_and_then_pass(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 1, 2)
    cloud.tell("/lab/faults", {"throttle": {"count": 2, "actions": ["DescribeAutoScalingGroups"]}})
    for _ in range(2):
        assert refusal(scaling.describe_auto_scaling_groups) == ("Throttling", "Rate exceeded")
    assert group_of(scaling)["DesiredCapacity"] == 1


def test_a_reclaimed_spot_instance_is_replaced(cloud: Cloud) -> None:
    make_group(cloud, 0, 3, 9, **mixed(0, 0, ["m5.large", "c5.large"]))
    before = {i["id"] for i in cloud.tell("/lab/state")["groups"]["warm"]["instances"]}
    ended = cloud.tell("/lab/interrupt", {"group": "warm", "count": 1})["interrupted"]
    after = {i["id"] for i in cloud.tell("/lab/state")["groups"]["warm"]["instances"]}
    assert len(ended) == 1
    assert len(after) == 3
    assert after & before == before - set(ended)


def test_an_instance_terminated_by_hand_is_replaced(cloud: Cloud) -> None:
    scaling = make_group(cloud, 1, 2, 4)
    doomed = group_of(scaling)["Instances"][0]["InstanceId"]
    cloud.client("ec2").terminate_instances(InstanceIds=[doomed])
    kept = {i["InstanceId"] for i in group_of(scaling)["Instances"]}
    assert len(kept) == 2
    assert doomed not in kept


def reserve(ec2: Any, **more: Any) -> Any:
    wanted = {
        "InstanceType": "m5.large",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1a",
        "InstanceCount": 3,
        "TagSpecifications": [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "tier", "Value": "warm"}]}],
    }
    return ec2.create_capacity_reservation(**{**wanted, **more})["CapacityReservation"]


def test_a_reservation_lives_from_creation_to_cancellation(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    made = reserve(ec2)
    identity = made["CapacityReservationId"]
    assert (made["State"], made["TotalInstanceCount"], made["AvailableInstanceCount"]) == ("active", 3, 3)
    assert made["Tags"] == [{"Key": "tier", "Value": "warm"}]
    ec2.modify_capacity_reservation(CapacityReservationId=identity, InstanceCount=5)
    ec2.create_tags(Resources=[identity], Tags=[{"Key": "stack", "Value": "lab"}])
    by_tag = ec2.describe_capacity_reservations(Filters=[{"Name": "tag:stack", "Values": ["lab"]}])
    assert by_tag["CapacityReservations"][0]["TotalInstanceCount"] == 5
    ec2.cancel_capacity_reservation(CapacityReservationId=identity)
    gone = ec2.describe_capacity_reservations(CapacityReservationIds=[identity])["CapacityReservations"][0]
    assert (gone["State"], gone["AvailableInstanceCount"]) == ("cancelled", 0)
    assert (
        refusal(ec2.modify_capacity_reservation, CapacityReservationId=identity, InstanceCount=1)[0] == "IncorrectState"
    )


def test_running_instances_use_an_open_reservation(cloud: Cloud) -> None:
    make_group(cloud, 2, 2, 4)
    ec2 = cloud.client("ec2")
    made = reserve(ec2)
    assert made["AvailableInstanceCount"] == 2  # one of the two instances runs in the reservation's zone
    targeted = reserve(ec2, InstanceMatchCriteria="targeted")
    assert targeted["AvailableInstanceCount"] == 3
    for reservation in (made, targeted):
        ec2.cancel_capacity_reservation(CapacityReservationId=reservation["CapacityReservationId"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"InstanceType": "m5.enormous"}, "InvalidParameterValue"),
        ({"AvailabilityZone": "mars-1a"}, "InvalidParameterValue"),
        ({"InstanceCount": 0}, "InvalidParameterValue"),
        ({"EndDateType": "limited"}, "InvalidParameterCombination"),
    ],
)
def test_a_reservation_that_makes_no_sense_is_refused(cloud: Cloud, change: dict[str, Any], code: str) -> None:
    assert refusal(lambda **more: reserve(cloud.client("ec2"), **more), **change)[0] == code


def test_an_unknown_reservation_and_an_unknown_group_are_named(cloud: Cloud) -> None:
    ec2, scaling = cloud.client("ec2"), cloud.client("autoscaling")
    code, text = refusal(ec2.cancel_capacity_reservation, CapacityReservationId="cr-0")
    assert code == "InvalidCapacityReservationId.NotFound"
    assert "cr-0" in text
    code, text = refusal(scaling.set_desired_capacity, AutoScalingGroupName="nobody", DesiredCapacity=1)
    assert code == "ValidationError"
    assert "nobody" in text


def test_a_fault_that_nobody_knows_is_refused(cloud: Cloud) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        cloud.tell("/lab/faults", {"gravity": 0})
    assert caught.value.code == 400
    assert "gravity" in caught.value.read().decode()


def test_user_data_of_a_template_reaches_its_instances(cloud: Cloud) -> None:
    ec2, scaling = cloud.client("ec2"), cloud.client("autoscaling")
    text = base64.b64encode(b"#!/bin/sh\n").decode()
    ec2.create_launch_template(
        LaunchTemplateName="data",
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "m5.large", "UserData": text},
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="warm",
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=ZONES,
        LaunchTemplate={"LaunchTemplateName": "data", "Version": "1"},
    )
    instance = group_of(scaling)["Instances"][0]["InstanceId"]
    told = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]["Value"]
    assert told == text
