"""A group made by boto3 and a VM made by virsh come into a stack, are kept by its plans, and leave it: they run throughout."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from site_cases import LAUNCH, Site, make_site

from lab import hypervisors, up, values

pytestmark = [pytest.mark.engine, pytest.mark.lab]

DOMAIN = """
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>legacy-web</name><description>made by hand</description>
  <memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
  <features><acpi/></features>
  <devices><serial type='pty'/></devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:80'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=n0,addr=0x10'/>
  </qemu:commandline>
</domain>
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A fleet file for what runs already: the group `web-prod` of two and the domain `legacy-web`."""
    made = make_site(tmp_path_factory.mktemp("adopt"))
    try:
        make_group(made)
        make_domain(made)
        write_fleet(made)
        yield made
    finally:
        up.down(made.lab.directory)


def write_fleet(site: Site, *, zone: str = "us-east-1a") -> None:
    hot: dict[str, Any] = values.stack_values(site.lab)["hot"]
    site.write_fleet(
        tiers={
            "hot": {
                "hypervisors": hot["hypervisors"],
                "flavours": [{"name": "small", "vcpu": 1, "memory_mib": 128}],
                "boot": hot["boot"],
                "domain_type": hot["domainType"],
                "overlay": hot["overlay"],
                "max": 3,
            },
            "warm": {
                "ownership": "exact",
                "instance_types": ["c6i.large"],
                "launch": {**LAUNCH, "zones": [zone]},
                "ready_pool": None,
            },
        }
    )


def make_group(site: Site) -> None:
    template = site.client("ec2").create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": LAUNCH["image_id"], "InstanceType": "c6i.large"}
    )["LaunchTemplate"]
    site.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="web-prod",
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        MinSize=2,
        MaxSize=4,
        DesiredCapacity=2,
        AvailabilityZones=["us-east-1a"],
        Tags=[{"Key": "owner", "Value": "shop", "PropagateAtLaunch": True}],
    )


def make_domain(site: Site) -> None:
    host = site.lab.hypervisors[0]
    file = site.root / "legacy.xml"
    file.write_text(DOMAIN.format(kernel=site.lab.kernel, initrd=site.lab.initrd, port=host.base_port + 1))
    for words in (("define", str(file)), ("start", "legacy-web")):
        done = site.call("virsh", "--connect", host.uri, *words)
        assert done.returncode == 0, done.stderr


def members(site: Site) -> set[str]:
    """Instances of the adopted group."""
    (group,) = [g for g in site.groups() if g["AutoScalingGroupName"] == "web-prod"]
    return {one["InstanceId"] for one in group["Instances"]}


def answers(site: Site) -> bool:
    port = site.lab.hypervisors[0].base_port + 1
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as found:
        return bool(found.status == 200)


def uuid(site: Site) -> str:
    return site.call("virsh", "--connect", site.lab.hypervisors[0].uri, "domuuid", "legacy-web").stdout.strip()


def test_what_can_not_be_adopted_is_refused_in_a_sentence(site: Site) -> None:
    for words, said in (
        (("--group", "warm-m5-large=web-prod"), "it declares no group 'warm-m5-large'; it declares warm-c6i-large"),
        (("--group", "warm-c6i-large=absent"), "there is no such group in us-east-1"),
        (("--machine", "hot-hv-x-001=legacy-web"), "the hot tier has no hypervisor 'hv-x'; it has hv-a, hv-b"),
        (("--machine", "hot-hv-a-001=absent"), "hv-a has no such domain; it has legacy-web"),
        (("--machine", "web=legacy-web"), "it is no name of a slot"),
    ):
        found = site.tiercast("adopt", *words)
        assert found.returncode == 1
        assert said in found.stderr
        assert "Traceback" not in found.stderr


def test_adopted_things_are_imported_kept_and_released_while_they_run(site: Site) -> None:
    before, domain = members(site), uuid(site)
    assert len(before) == 2
    assert answers(site)
    machine, group = "hot-hv-a-001=legacy-web", "warm-c6i-large=web-prod"
    said = json.loads(site.tiercast("adopt", "--machine", machine, "--group", group, "--json").stdout)
    assert sorted(said["adopted"]) == ["hot-hv-a-001", "warm-c6i-large"]
    ops = {(step["op"], step["name"]) for step in said["steps"]}
    assert {("import", "hot-hv-a-001"), ("import", "warm-c6i-large")} <= ops
    assert not {op for op, _ in ops} - {"import", "update", "create"}

    plan = site.root / ".tiercast" / "lab" / "plan.json"
    assert "was applied" in site.done("up", "--approved", str(plan))
    assert (members(site) >= before, uuid(site), answers(site)) == (True, domain, True)
    (kept,) = [g for g in site.groups() if g["AutoScalingGroupName"] == "web-prod"]
    tags = {tag["Key"]: tag["Value"] for tag in kept["Tags"]}
    assert tags["stack"] == "lab"
    state = json.loads(site.call("pulumi", "stack", "export").stdout)["deployment"]["resources"]
    protected = {r["urn"].rsplit("::", 1)[-1] for r in state if r.get("protect")}
    assert {"hot-hv-a-001", "warm-c6i-large"} == protected

    # The next plan keeps both, and changes nothing.
    site.done("plan")
    assert "no change" in site.done("preview")
    assert "hot-hv-a-001" in site.stack_config()["tiercast:adopted"]["machines"]

    released = site.done("release", "--yes")
    assert "released" in released
    assert (members(site) >= before, uuid(site), answers(site)) == (True, domain, True)
    assert site.call("pulumi", "stack", "export").stdout.count('"urn"') == 0
    assert "tiercast:adopted" not in site.stack_config()
    events = [json.loads(line)["event"] for line in (plan.parent / "ledger.jsonl").read_text().splitlines()]
    assert {"adopt", "release"} <= set(events)
    assert list(plan.parent.glob("released-*.json"))
    assert set(hypervisors.machines(site.lab.hypervisors[0])) >= {"legacy-web"}
