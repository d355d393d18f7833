"""What killed and failed updates leave, on real hypervisors, engine and cloud: found, adopted or removed by the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
import yaml
from lab_project import Project, configuration, on_a_lab

from lab import env, hypervisors, processes, values
from reconciler.adapters import engine_process
from reconciler.adapters.engine import Engine
from reconciler.adapters.hypervisors import watch_hosts
from reconciler.adapters.settle.checkpoint import export_state, import_state
from reconciler.adapters.settle.run import SettleResult, settle
from reconciler.errors import InputError, Unavailable
from reconciler.observe.half_created import declared_vms
from reconciler.observe.world import site_of
from stacks.contract import parse

pytestmark = [pytest.mark.engine, pytest.mark.lab]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose update has just been done, with one VM."""
    with on_a_lab(tmp_path_factory.mktemp("half")) as made:
        made.configure(hot=hot(made, 1))
        code, text = made.pulumi("up", "--yes", "--skip-preview", policies=False)
        assert code == 0, text
        yield made


@pytest.fixture(autouse=True)
def environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell on the lab has."""
    for name, value in env.environment(project.lab).items():
        monkeypatch.setenv(name, value)
    for name in ("PYTHONPATH", "PULUMI_OPTION_POLICY_PACK", "PULUMI_OPTION_POLICY_PACK_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def hot(project: Project, count: int) -> dict[str, Any]:
    """The hot tier with `count` VMs on the first hypervisor."""
    slots = [{"hypervisor": "hv-a", "number": n, "flavour": "small"} for n in range(1, count + 1)]
    flavours = [{"name": "small", "vcpu": 1, "memoryMib": 128}]
    return {**values.stack_values(project.lab)["hot"], "flavours": flavours, "slots": slots}


def engine(project: Project) -> Engine:
    return Engine(root=project.root, stack="lab", project="tiercast", environment={})


def settled(project: Project) -> SettleResult:
    """What a run that acts does before its update."""
    raw = yaml.safe_load((project.root / "Pulumi.lab.yaml").read_text())["config"]
    config = parse({k.removeprefix("tiercast:"): v for k, v in raw.items() if k.startswith("tiercast:")})
    site = site_of(config, raw, project="tiercast", stack="lab")
    return settle(engine(project), site, declared_vms(config), backend=f"file://{project.lab.backend}")


def unchanged(project: Project) -> None:
    """The next preview, with refresh, finds nothing to do."""
    code, text = project.pulumi("preview", "--refresh", "--expect-no-changes", policies=False)
    assert code == 0, text


def machines(project: Project) -> dict[str, bool]:
    return hypervisors.machines(project.lab.hypervisors[0])


def virsh(project: Project, *arguments: str) -> str:
    command = ["virsh", "--quiet", "--connect", project.lab.hypervisors[0].uri, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def killed_update(project: Project, until: str) -> None:
    """An update whose engine is killed as soon as the domain `until` is there; its plugins end with it."""
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    update = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    with hypervisors.connection(project.lab.hypervisors[0]) as opened:
        while not any(d.name() == until for d in opened.listAllDomains()):
            assert time.monotonic() < deadline
            assert update.poll() is None
            time.sleep(0.01)
    update.send_signal(signal.SIGKILL)
    update.wait(10)
    # The plugin notices a second later that its engine is gone, and finishes the call until then.
    while not machines(project).get(until) and time.monotonic() < deadline:
        time.sleep(0.1)


def test_without_leftovers_nothing_is_done_or_written(project: Project) -> None:
    before = export_state(engine(project))
    assert settled(project).lines == ()
    assert export_state(engine(project)) == before


def test_a_vm_whose_update_was_killed_is_adopted_and_the_dead_updates_lock_is_released(project: Project) -> None:
    project.configure(hot=hot(project, 2))
    killed_update(project, "hot-hv-a-002")
    before = virsh(project, "domuuid", "hot-hv-a-002")

    done = settled(project)

    assert [lock for lock in done.locks if "was released" in lock]
    assert [(one.action, one.name) for one in done.leftovers if one.kind == "domain"] == [("adopt", "hot-hv-a-002")]
    unchanged(project)
    assert virsh(project, "domuuid", "hot-hv-a-002") == before
    assert machines(project) == {"hot-hv-a-001": True, "hot-hv-a-002": True}


def test_a_running_vm_that_the_state_forgot_is_adopted_as_the_program_declares_it(project: Project) -> None:
    project.configure(hot=hot(project, 2))
    urn = next(u for u in project.state() if u.endswith("Domain::hot-hv-a-002"))
    assert project.pulumi("state", "delete", urn, "--yes", policies=False)[0] == 0
    before = virsh(project, "domuuid", "hot-hv-a-002")

    (one,) = settled(project).leftovers

    assert (one.action, one.why) == ("adopt", "it runs as declared, but no state holds it")
    unchanged(project)
    assert virsh(project, "domuuid", "hot-hv-a-002") == before


def test_a_vm_that_was_defined_but_did_not_start_is_removed_and_the_next_update_creates_it(project: Project) -> None:
    project.configure(hot=hot(project, 3))
    port = project.lab.hypervisors[0].base_port + 3
    taken = subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        code, text = project.pulumi("up", "--yes", "--skip-preview", policies=False)
        assert code != 0
        assert "error creating libvirt domain" in text
    finally:
        taken.terminate()
        taken.wait(10)
    assert machines(project)["hot-hv-a-003"] is False

    (one,) = settled(project).leftovers

    assert (one.action, one.name) == ("remove", "hot-hv-a-003")
    code, text = project.pulumi("up", "--yes", "--skip-preview", policies=False)
    assert code == 0, text
    assert machines(project)["hot-hv-a-003"] is True


def test_a_running_vm_that_is_neither_recorded_nor_declared_is_removed(project: Project) -> None:
    urn = next(u for u in project.state() if u.endswith("Domain::hot-hv-a-003"))
    assert project.pulumi("state", "delete", urn, "--yes", policies=False)[0] == 0
    project.configure(hot=hot(project, 2))

    (one,) = settled(project).leftovers

    assert (one.action, one.name) == ("remove", "hot-hv-a-003")
    assert "hot-hv-a-003" not in machines(project)


def test_a_domain_with_a_name_of_ours_that_is_not_ours_stops_the_run_and_is_never_touched(project: Project) -> None:
    project.configure(hot=hot(project, 4))
    xml = project.root / "theirs.xml"
    xml.write_text(
        "<domain type='qemu'><name>hot-hv-a-004</name><memory unit='MiB'>64</memory>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    virsh(project, "define", str(xml))
    before = virsh(project, "dumpxml", "hot-hv-a-004")
    try:
        with pytest.raises(InputError, match="hypervisor hv-a: domain hot-hv-a-004 is not of this stack") as refused:
            settled(project)
        assert "was not touched" in str(refused.value)
        assert virsh(project, "dumpxml", "hot-hv-a-004") == before
    finally:
        virsh(project, "undefine", "hot-hv-a-004")


def test_pending_creations_in_the_cloud_are_adopted_by_name_and_tag(project: Project) -> None:
    project.configure(hot=hot(project, 1))
    assert project.pulumi("up", "--yes", "--skip-preview", policies=False)[0] == 0
    state = engine(project)
    exported = export_state(state)
    lost = [r for r in exported["deployment"]["resources"] if r["type"] in CLOUD and r["urn"].endswith("::cold-burst")]
    assert len(lost) == 2
    kept = [r for r in exported["deployment"]["resources"] if r not in lost]
    # As a checkpoint is after a kill between the effect of a call and its record; `import` would drop pending operations.
    pending = [
        {"resource": {k: v for k, v in r.items() if k not in ("id", "outputs")}, "type": "creating"} for r in lost
    ]
    path = next((project.lab.backend / ".pulumi" / "stacks").rglob("lab.json"))
    whole = json.loads(path.read_text())
    whole["checkpoint"]["latest"] |= {"resources": kept, "pending_operations": pending}
    path.write_text(json.dumps(whole))

    done = settled(project)

    assert {(one.action, one.id) for one in done.leftovers} == {("adopt", r["id"]) for r in lost}
    unchanged(project)
    groups = cloud(project).describe_auto_scaling_groups()["AutoScalingGroups"]
    assert len([g for g in groups if g["AutoScalingGroupName"].startswith("cold-burst")]) == 1
    import_state(state, exported)


CLOUD = ("aws:autoscaling/group:Group", "aws:ec2/launchTemplate:LaunchTemplate")


def cloud(project: Project) -> Any:
    return boto3.client(
        "autoscaling",
        endpoint_url=project.lab.cloud_endpoint,
        region_name="us-east-1",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
    )


def test_a_lock_of_an_update_that_lives_is_respected_and_its_owner_is_named(project: Project) -> None:
    folder = project.lab.backend / ".pulumi" / "locks" / "organization" / "tiercast" / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "0d0e.json"
    host = os.uname().nodename
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lock.write_text(json.dumps({"pid": os.getpid(), "username": "ann", "hostname": host, "timestamp": now}))
    try:
        with pytest.raises(Unavailable, match=f"pid {os.getpid()} of ann on {host}"):
            settled(project)
        assert lock.exists()
    finally:
        lock.unlink()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "dies"])
def test_a_hypervisor_that_hangs_or_dies_after_the_plan_is_named_within_a_bounded_time(
    project: Project, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(engine_process, "WATCH_EVERY", 1.0)
    monkeypatch.setattr(engine_process, "GRACE", 1.0)
    raw = yaml.safe_load((project.root / "Pulumi.lab.yaml").read_text())["config"]
    watched = replace(engine(project), watch=watch_hosts(raw, (), timeout_s=2.0))
    host = project.lab.hypervisors[0]
    daemon = processes.read_record(project.lab.records, hypervisors.record_name(host))
    assert daemon is not None
    os.kill(daemon.pid, number)
    try:
        with pytest.raises(Unavailable) as lost:
            watched.preview(refresh=True)
    finally:
        os.kill(daemon.pid, signal.SIGCONT) if number is signal.SIGSTOP else hypervisors.start(project.lab, host)
    assert str(lost.value).startswith("Hypervisors no longer answer: hv-a (")
    assert "Traceback" not in str(lost.value)
    assert "tiercast plan" in lost.value.remedy
    unchanged(project)


def test_an_update_goes_through_although_the_cloud_fails_a_third_of_the_calls(project: Project) -> None:
    cold = configuration(project.lab)["cold"]
    cold["groups"][0] |= {"size": {"min": 2, "desired": 2, "max": 2}}
    project.configure(hot=hot(project, 1), cold=cold)
    tell(project, {"failing": 0.34})
    try:
        code, text = project.pulumi("up", "--yes", "--skip-preview", "--refresh", policies=False)
        assert code == 0, text
        unchanged(project)
    finally:
        tell(project, {"failing": 0})
    (group,) = [
        g
        for g in cloud(project).describe_auto_scaling_groups()["AutoScalingGroups"]
        if g["AutoScalingGroupName"].startswith("cold-burst")
    ]
    assert (group["MinSize"], group["MaxSize"]) == (2, 2)


def tell(project: Project, faults: dict[str, Any]) -> None:
    """Tell the lab's cloud what to suffer."""
    url = f"{project.lab.cloud_endpoint}/lab/faults"
    urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(faults).encode()), timeout=10).close()
