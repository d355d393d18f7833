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
    assert site.call("pulumi", "stack", "rm", site.lab.stack, "--yes", "--force").returncode == 0
    before = site.prints()
    site.tiercast("reconcile", "--mode", "shadow")
    site.tiercast("plan")
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


def test_dry_commands_and_a_preview_change_nothing(site: FleetOnLab) -> None:
    before = site.prints()
    plan = before.pop("stack file")
    for command in (("explain",), ("reconcile", "--mode", "shadow"), ("history",), ("preview", "--no-policies")):
        site.tiercast(*command)
    after = site.prints()
    assert after.pop("stack file") == plan
    assert after == before


def test_a_destroyed_vm_is_named_shown_as_a_repair_and_repaired_in_one_run(site: FleetOnLab) -> None:
    site.virsh(0, "destroy", "hot-hv-a-001")
    said = site.tiercast("status", code=2)
    assert "hot-hv-a-001 does not run: it is shut off" in said
    assert "drift (person): hot-hv-a-001: it is shut off (destroyed)" in said
    assert "offline: these are the figures of the state" in site.tiercast("status", "--offline", code=0)
    assert "update Domain hot-hv-a-001 [running]" in site.tiercast("preview", "--no-policies", code=2)
    said = site.reconcile()
    assert "it was changed by a person and is repaired by the update" in said
    assert site.vms() == {"hot-hv-a-001": True, "hot-hv-b-001": True}
    site.until(site.all_ready)
    site.status(code=0)


def test_vms_gone_or_stopped_after_a_refresh_by_hand_come_back_beside_other_changes(site: FleetOnLab) -> None:
    site.virsh(1, "destroy", "hot-hv-b-001")
    site.virsh(1, "undefine", "hot-hv-b-001")
    site.virsh(0, "destroy", "hot-hv-a-001")
    group = site.group("cold")["AutoScalingGroupName"]
    site.aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName=group, MinSize=0, MaxSize=9)
    by_kind = site.status(code=2)["drift_by_kind"]
    assert by_kind == {"person": 3, "autoscaler": 0, "lost": 0, "noise": 0, "half-created": 0}
    assert site.call("pulumi", "refresh", "--yes", "--skip-preview", "--non-interactive").returncode == 0
    hot = site.status(code=2)["tiers"]["hot"]
    assert (hot["recorded"], hot["running"]) == (1, 0), "a stopped VM does not count as running"
    site.configure(lambda fleet: fleet["tiers"]["hot"].update(min=3))
    site.reconcile()
    assert len(site.vms()) == 3
    assert all(site.vms().values())
    assert (site.group("cold")["MinSize"], site.group("cold")["MaxSize"]) == (2, 3)


def test_a_hypervisor_that_hangs_costs_its_time_limit_and_is_named(site: FleetOnLab) -> None:
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
    assert hot["running"] + hot["unknown"] == 3, "what is unknown is not 0"
