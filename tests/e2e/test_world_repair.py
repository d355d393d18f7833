"""What runs and what is planned from it, with the real engine, hypervisors and cloud: seen, named, repaired in one run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from lab import processes
from lab.hypervisors import record_name
from tests.e2e.world_site import FleetOnLab, fleet_on_lab

pytestmark = [pytest.mark.engine, pytest.mark.lab]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetOnLab]:
    with fleet_on_lab(tmp_path_factory.mktemp("site")) as made:
        yield made


def test_dry_commands_create_no_stack(site: FleetOnLab) -> None:
    site.configure()
    code = site.call("pulumi", "stack", "rm", site.lab.stack, "--yes", "--force").returncode
    assert code == 0
    before = site.prints()
    for command in (("explain",), ("reconcile", "--mode", "shadow"), ("plan",), ("status",)):
        site.tiercast(*command)
    after = site.prints()
    assert after.pop("stack file") != before.pop("stack file"), "plan writes the stack file"
    assert after == before


def test_a_fleet_is_built_and_every_vm_is_ready(site: FleetOnLab) -> None:
    site.reconcile()
    site.until(site.all_ready)
    status = site.status(code=0)
    assert status["tiers"]["hot"] == {
        "planned": 2,
        "declared": {"min": 2, "desired": 2, "max": 2},
        "recorded": 2,
        "running": 2,
        "ready": 2,
        "unknown": 0,
    }
    assert [r["source"] for r in status["readings"]] == ["hv-a", "hv-b", f"aws {site.lab.region}"]
    assert (status["tiers"]["warm"]["ready"], status["tiers"]["cold"]["ready"]) == (1, 2)


def test_dry_commands_change_nothing(site: FleetOnLab) -> None:
    site.tiercast("plan")
    before = site.prints()
    plan = before.pop("stack file")
    for command in (
        ("explain",),
        ("reconcile", "--mode", "shadow"),
        ("status",),
        ("history",),
        ("preview", "--no-policies"),
    ):
        site.tiercast(*command)
    after = site.prints()
    assert after.pop("stack file") == plan
    assert after == before


def test_a_destroyed_vm_is_named_shown_as_a_repair_and_repaired_in_one_run(site: FleetOnLab) -> None:
    site.virsh(0, "destroy", "hot-hv-a-001")
    assert "hot-hv-a-001 does not run: it is shut off" in site.tiercast("status", code=2)
    offline = site.tiercast("status", "--offline", code=0)
    assert "offline: these are the figures of the state" in offline
    assert "update Domain hot-hv-a-001 [running]" in site.tiercast("preview", "--no-policies", code=2)
    said = site.reconcile()
    assert "hot-hv-a-001 is not ready (it is shut off): it is started again in its slot" in said
    assert site.vms() == {"hot-hv-a-001": True, "hot-hv-b-001": True}
    site.until(site.all_ready)
    site.status(code=0)


def test_a_vm_that_is_gone_is_made_again_beside_another_change(site: FleetOnLab) -> None:
    site.virsh(1, "destroy", "hot-hv-b-001")
    site.virsh(1, "undefine", "hot-hv-b-001")
    site.configure(lambda fleet: fleet["tiers"]["hot"].update(min=3))
    assert "hot-hv-b-001 does not run: it does not exist on hv-b" in site.tiercast("status", code=2)
    site.reconcile()
    vms = site.vms()
    assert vms.pop("hot-hv-b-001")
    assert len(vms) == 2
    assert all(vms.values())


def test_a_stopped_vm_does_not_count_as_running_after_a_refresh_by_hand(site: FleetOnLab) -> None:
    site.until(site.all_ready)
    site.virsh(0, "destroy", "hot-hv-a-001")
    assert site.call("pulumi", "refresh", "--yes", "--skip-preview", "--non-interactive").returncode == 0
    status = site.status(code=2)
    assert (status["tiers"]["hot"]["running"], status["tiers"]["hot"]["recorded"]) == (2, 3)
    site.reconcile()
    assert site.vms()["hot-hv-a-001"]


def test_a_vm_that_fails_its_check_is_replaced_under_another_number(site: FleetOnLab) -> None:
    site.until(site.all_ready)
    site.virsh(0, "suspend", "hot-hv-a-001")
    assert "hot-hv-a-001 does not run: it is paused" in site.tiercast("status", code=2)
    site.virsh(0, "resume", "hot-hv-a-001")


def test_a_domain_of_somebody_else_keeps_the_name_that_it_has_taken(site: FleetOnLab) -> None:
    site.virsh(0, "destroy", "hot-hv-a-001")
    site.virsh(0, "undefine", "hot-hv-a-001")
    stranger = site.root / "stranger.xml"
    stranger.write_text(
        "<domain type='qemu'><name>hot-hv-a-001</name><memory unit='MiB'>64</memory>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    site.virsh(0, "define", str(stranger))
    kept = site.virsh(0, "domuuid", "hot-hv-a-001")
    assert "another domain on hv-a has its name" in site.tiercast("status", code=2)
    site.reconcile()
    assert site.virsh(0, "domuuid", "hot-hv-a-001") == kept
    vms = site.vms()
    assert vms.pop("hot-hv-a-001") is False
    assert sum(vms.values()) == 3
    site.virsh(0, "undefine", "hot-hv-a-001")


def test_an_instance_that_was_terminated_is_seen_and_a_size_set_by_hand_is_put_back(site: FleetOnLab) -> None:
    scaling, group = site.aws("autoscaling"), site.group("cold")
    scaling.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], MinSize=0, MaxSize=9)
    assert site.call("pulumi", "preview", "--refresh", "--non-interactive").returncode == 0
    assert "Group cold-burst" in site.tiercast("preview", "--no-policies", code=2)
    site.reconcile()
    group = site.group("cold")
    assert (group["MinSize"], group["MaxSize"]) == (2, 3)


def test_a_hypervisor_that_hangs_costs_its_time_limit_and_is_named(site: FleetOnLab) -> None:
    site.until(site.all_ready)
    hung = site.lab.hypervisors[1]
    record = processes.read_record(site.lab.records, record_name(hung))
    assert record is not None
    os.kill(record.pid, signal.SIGSTOP)
    try:
        status = site.status(code=2)
    finally:
        os.kill(record.pid, signal.SIGCONT)
    assert any("hv-b did not answer: no answer within 10 s" in line for line in status["drift"])
    hot = status["tiers"]["hot"]
    assert hot["unknown"] >= 1
    assert hot["ready"] + hot["unknown"] == 3, "what is unknown is not 0"
