"""What the program declares for a configuration."""

from __future__ import annotations

import base64

import pytest
from samples import config, raw

DOMAIN, GROUP, TEMPLATE = "domain:Domain", "autoscaling/group:Group", "launchTemplate:LaunchTemplate"


def test_hot_vms_sit_in_stable_slots_under_one_provider_per_hypervisor_in_use(run_program):
    run = run_program(config())

    assert [r.name for r in run.of(DOMAIN)] == ["hot-hv1-001", "hot-hv1-002"]
    assert [r.name for r in run.of("providers:libvirt")] == ["hot-hv1"]
    domain = run.named(DOMAIN, "hot-hv1-001")
    assert domain.inputs == {
        "name": "hot-hv1-001",
        "description": "tiercast project=tiercast stack=test tier=hot",
        "type": "qemu",
        "machine": "pc",
        "vcpu": 4,
        "memory": 1024,
        "autostart": True,
        "kernel": "/boot/vmlinuz",
        "initrd": "/boot/initrd",
        "cmdlines": [{"console": "ttyS0"}],
        "xml": {"xslt": '<x><arg value="hostfwd=tcp:127.0.0.1:20001-:80"/><n>hot-hv1-001</n></x>'},
    }
    assert "hot-hv1::hot-hv1-id" in domain.provider
    assert domain.delete_before_replace


def test_children_belong_to_their_component(run_program):
    run = run_program(config())

    parents = {r.name: r.parent for r in run.resources}
    assert run.of("stacks:HotTier")[0].name == "hot"
    assert parents["hot-hv1"] == "hot"
    assert all(r.parent == r.name for r in run.of(DOMAIN))
    assert {r.parent for r in run.of(GROUP)} == {"warm", "cold"}


def test_adding_a_vm_leaves_the_inputs_of_the_others_alone(run_program):
    before = config()
    hot = raw()["hot"]
    hot["slots"].append({"hypervisor": "hv1", "number": 3, "flavour": "small"})

    first, second = run_program(before), run_program(config(hot=hot))

    assert set(second.sent()) - set(first.sent()) == {entry for entry in second.sent() if entry[1] == "hot-hv1-003"}
    assert set(first.sent()) <= set(second.sent())


def test_two_plans_of_equal_sizes_send_identical_inputs(run_program):
    plan = {**raw()["plan"], "id": "plan-2", "createdAt": "2026-11-24T01:00:00Z", "validUntil": "2026-11-24T05:00:00Z"}
    demand = raw()["demand"]
    demand["classes"]["gold"]["requestsPerSecond"] = [11.0, 21.0]

    first, second = run_program(config()), run_program(config(plan=plan, demand=demand))

    assert first.sent() == second.sent()
    assert (first.outputs["planId"], second.outputs["planId"]) == ("plan-1", "plan-2")


def test_vms_with_a_base_volume_get_a_copy_on_write_disk_and_a_seed(run_program):
    hot = raw()["hot"]
    hot["boot"] = {
        "source": "/images/debian.qcow2",
        "sizeGib": 4,
        "cloudInit": {"userData": "#cloud-config\nhostname: {name}\n"},
    }
    hot["interfaces"] = [{"bridge": "br0"}]

    run = run_program(config(hot=hot))

    base = f"hot-hv1-base-{config(hot=hot).hot.boot.version}"
    assert [v.name for v in run.of("volume:Volume")] == ["hot-hv1-001-root", "hot-hv1-002-root", base]
    root = run.named("volume:Volume", "hot-hv1-001-root").inputs
    assert (root["baseVolumeId"], root["size"]) == (f"{base}-id", 4 * 2**30)
    seed = run.named("cloudInitDisk:CloudInitDisk", "hot-hv1-001-seed").inputs
    assert seed["userData"] == "#cloud-config\nhostname: hot-hv1-001\n"
    assert seed["metaData"] == "instance-id: hot-hv1-001\nlocal-hostname: hot-hv1-001\n"
    domain = run.named(DOMAIN, "hot-hv1-001").inputs
    assert domain["disks"] == [{"volumeId": "hot-hv1-001-root-id"}]
    assert domain["cloudinit"] == "hot-hv1-001-seed-id"
    assert "kernel" not in domain


def test_endpoints_are_forwarded_ports_or_the_guests_own_addresses(run_program):
    hot = raw()["hot"]
    hot["slots"].append({"hypervisor": "hv2", "number": 1, "flavour": "small"})
    hot["overlay"] = ""
    hot["interfaces"] = [{"network": "default", "waitForLease": True}]

    machines = run_program(config(hot=hot)).outputs["hot"]["machines"]

    assert {m["name"]: m["endpoint"] for m in machines} == {
        "hot-hv1-001": "127.0.0.1:20001",
        "hot-hv1-002": "127.0.0.1:20002",
        "hot-hv2-001": "192.0.2.7:80",
    }
    assert machines[0] == {
        "name": "hot-hv1-001",
        "hypervisor": "hv1",
        "flavour": "big",
        "vcpu": 4,
        "memoryMib": 1024,
        "endpoint": "127.0.0.1:20001",
    }


def test_floor_leaves_the_desired_count_to_the_reactive_policy(run_program):
    run = run_program(config())

    group = run.named(GROUP, "warm-web")
    assert (group.inputs["minSize"], group.inputs["maxSize"]) == (2, 4)
    assert "desiredCapacity" not in group.inputs
    assert group.ignore_changes == ()
    policy = run.named("autoscaling/policy:Policy", "warm-web-cpu").inputs
    assert policy["targetTrackingConfiguration"]["targetValue"] == 60


def test_exact_sets_all_three_counts_and_has_no_reactive_policy(run_program):
    cold = {**raw()["cold"], "targetTracking": {"cpuPercent": 50}}

    run = run_program(config(cold=cold))

    group = run.named(GROUP, "cold-burst")
    assert [group.inputs[k] for k in ("minSize", "desiredCapacity", "maxSize")] == [3, 3, 3]
    assert "cold-burst-cpu" not in [p.name for p in run.of("autoscaling/policy:Policy")]


def test_external_creates_the_group_and_then_ignores_its_size(run_program):
    warm = {**raw()["warm"], "ownership": "external"}

    group = run_program(config(warm=warm)).named(GROUP, "warm-web")

    assert set(group.ignore_changes) == {"minSize", "maxSize", "desiredCapacity"}
    assert group.inputs["desiredCapacity"] == 2


def test_the_warm_pool_is_always_bounded_and_reservations_come_first(run_program):
    run = run_program(config())

    group = run.named(GROUP, "warm-web").inputs
    assert group["warmPool"] == {
        "poolState": "Stopped",
        "minSize": 0,
        "maxGroupPreparedCapacity": 4,
        "instanceReusePolicy": {"reuseOnScaleIn": True},
    }
    reservation = run.named("capacityReservation:CapacityReservation", "warm-m5-large-us-east-1a")
    assert (reservation.inputs["instanceCount"], reservation.inputs["instanceMatchCriteria"]) == (2, "targeted")
    assert group["capacityReservationSpecification"] == {
        "capacityReservationPreference": "capacity-reservations-first",
        "capacityReservationTarget": {"capacityReservationIds": ["warm-m5-large-us-east-1a-id"]},
    }
    assert run.outputs["warm"]["reservations"][0]["id"] == "warm-m5-large-us-east-1a-id"


def test_price_commitments_are_no_resources(run_program):
    warm = {**raw()["warm"], "commitments": []}

    assert run_program(config()).sent() == run_program(config(warm=warm)).sent()


def test_cold_groups_mix_types_on_spot_over_an_on_demand_base_and_wait_for_nothing(run_program):
    group = run_program(config()).named(GROUP, "cold-burst").inputs

    policy = group["mixedInstancesPolicy"]
    assert policy["instancesDistribution"] == {
        "onDemandAllocationStrategy": "lowest-price",
        "onDemandBaseCapacity": 1,
        "onDemandPercentageAboveBaseCapacity": 25,
        "spotAllocationStrategy": "price-capacity-optimized",
    }
    assert [o["instanceType"] for o in policy["launchTemplate"]["overrides"]] == ["m5.large", "m6i.large"]
    assert group["capacityRebalance"] is True
    assert group["waitForCapacityTimeout"] == "0"


def test_cold_may_be_vms_on_named_metal(run_program):
    metal = {**raw()["hot"], "slots": [{"hypervisor": "hv1", "number": 7, "flavour": "small"}]}

    run = run_program(config(cold={"metal": metal}))

    assert run.named(DOMAIN, "cold-hv1-007").inputs["description"].endswith("tier=cold")
    assert [r.name for r in run.of("providers:libvirt")] == ["cold-hv1", "hot-hv1"]
    assert run.outputs["cold"]["machines"][0]["endpoint"] == "127.0.0.1:20007"


def test_groups_name_the_template_version_by_number_so_that_a_new_one_is_a_change(run_program):
    run = run_program(config())

    assert run.named(GROUP, "warm-web").inputs["launchTemplate"] == {"id": "warm-web-id", "version": "1"}
    specification = run.named(GROUP, "cold-burst").inputs["mixedInstancesPolicy"]["launchTemplate"]
    assert specification["launchTemplateSpecification"]["version"] == "1"


def test_cloud_resources_carry_project_stack_and_tier_and_the_fleets_own_tags(run_program):
    run = run_program(config(tags={"team": "search"}))

    expected = {"project": "tiercast", "stack": "test", "tier": "warm", "team": "search"}
    assert run.named(TEMPLATE, "warm-web").inputs["tags"] == expected
    assert run.named("capacityReservation:CapacityReservation", "warm-m5-large-us-east-1a").inputs["tags"] == expected
    tags = {t["key"]: t["value"] for t in run.named(GROUP, "warm-web").inputs["tags"]}
    assert tags == {**expected, "Name": "warm-web"}
    assert all(t["propagateAtLaunch"] for t in run.named(GROUP, "warm-web").inputs["tags"])


def test_launch_settings_reach_the_template(run_program):
    warm = raw()["warm"]
    warm["launch"] |= {
        "securityGroups": ["sg-1"],
        "instanceProfile": "web",
        "keyName": "ops",
        "targetGroups": ["arn:own"],
        "healthCheckType": "ELB",
        "healthCheckGraceSeconds": 30,
        "rootVolumeGib": 20,
    }
    run = run_program(config(warm=warm))

    template = run.named(TEMPLATE, "warm-web").inputs
    assert base64.b64decode(template["userData"]) == b"#!/bin/sh\n"
    assert template["vpcSecurityGroupIds"] == ["sg-1"]
    assert template["iamInstanceProfile"] == {"name": "web"}
    assert template["keyName"] == "ops"
    assert template["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 20
    group = run.named(GROUP, "warm-web").inputs
    assert group["targetGroupArns"] == ["arn:own"]
    assert (group["healthCheckType"], group["healthCheckGracePeriod"]) == ("ELB", 30)
    assert group["vpcZoneIdentifiers"] == ["subnet-1", "subnet-2"]
    assert "availabilityZones" not in group


def test_a_routed_stack_forwards_by_weight_and_registers_its_groups(run_program):
    routing = {"vpc": "vpc-1", "subnets": ["subnet-1"], "port": 8080, "weights": {"warm": 9, "cold": 1, "hot": 90}}

    run = run_program(config(routing=routing))

    rule = run.named("listenerRule:ListenerRule", "tiers").inputs
    assert rule["actions"][0]["forward"]["targetGroups"] == [
        {"arn": "arn:warm", "weight": 9},
        {"arn": "arn:cold", "weight": 1},
    ]
    assert run.named(GROUP, "warm-web").inputs["targetGroupArns"] == ["arn:warm"]
    assert run.outputs["routing"] == {
        "weights": {"warm": 9, "cold": 1, "hot": 90},
        "loadBalancer": "tiers.example",
        "targetGroups": {"warm": "arn:warm", "cold": "arn:cold"},
    }


def test_without_a_network_for_it_there_is_no_load_balancer_but_weights_are_still_an_output(run_program):
    run = run_program(config())

    assert run.of("loadBalancer:LoadBalancer") == []
    assert run.outputs["routing"] == {"weights": {"hot": 20, "warm": 10, "cold": 5}}


def test_an_empty_stack_declares_no_resource_but_its_tiers(run_program):
    run = run_program(config(hot=None, warm=None, cold=None, routing=None))

    kinds = {r.type for r in run.resources}
    assert kinds == {"tiercast:stacks:HotTier", "tiercast:stacks:WarmTier", "tiercast:stacks:ColdTier"}
    assert run.outputs["hot"] == {"ownership": "exact", "machines": []}


@pytest.mark.parametrize("uri", ["qemu+tcp://ops:pw@hv1/system", "qemu+ssh://ops@hv1/system"])
def test_a_uri_with_credentials_is_secret(run_program, uri):
    hot = raw()["hot"]
    hot["hypervisors"][0]["uri"] = uri

    provider = run_program(config(hot=hot)).named("providers:libvirt", "hot-hv1")

    assert ("uri" in provider.secrets) is ("pw" in uri)


def test_what_comes_from_a_secret_section_is_secret(run_program):
    run = run_program(config(), secret_keys={"hot", "warm"})

    assert "uri" in run.named("providers:libvirt", "hot-hv1").secrets
    assert "userData" in run.named(TEMPLATE, "warm-web").secrets
    assert "xml" in run.named(DOMAIN, "hot-hv1-001").secrets
