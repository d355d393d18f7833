"""What runs, told apart from what is declared and recorded: nothing unknown counts as 0, nothing dead as ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reconciler.observe.instances import endpoints, world_of
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import Observed, observe
from reconciler.observe.world import LiveDomain, LiveGroup, LiveMember, Reading, Site, Tally, World, slot_of
from stacks.contract import Flavour, HealthCheck, Hypervisor, Tier

NOW = datetime(2026, 11, 25, tzinfo=UTC)
OURS = "tiercast project=shop stack=dev tier=hot"
HOSTS = (
    Hypervisor(name="hv-a", uri="qemu:///a", cores=8, memory_mib=8192, base_port=20000),
    Hypervisor(name="hv-b", uri="qemu:///b", cores=8, memory_mib=8192),
)
SITE = Site(
    project="shop",
    stack="dev",
    hypervisors={Tier.HOT: HOSTS},
    health={Tier.HOT: HealthCheck(path="/ok", port=8080)},
    cloud=True,
    provider={"aws:region": "eu-west-1"},
)


def resource(name: str, kind: str, *, id: str = "", **values: Any) -> StateResource:
    urn = f"urn:pulumi:dev::shop::{kind}::{name}"
    inputs = {"vcpu": 1, "memory": 128} if "domain" in kind else {}
    return StateResource(urn=urn, type=kind, id=id or f"id-{name}", inputs=inputs, outputs=values)


def vm(name: str) -> StateResource:
    return resource(name, "libvirt:index/domain:Domain")


STATE = [
    vm("hot-hv-a-001"),
    vm("hot-hv-b-001"),
    resource("hot-hv-b-001", "tiercast:stacks:Machine", endpoint="192.0.2.7:80"),
    resource("cold-burst", "aws:autoscaling/group:Group", id="cold-burst-1a2b", desiredCapacity=3),
]
BOTH = [
    LiveDomain(host="hv-a", name="hot-hv-a-001", uuid="id-hot-hv-a-001", state="running", description=OURS),
    LiveDomain(host="hv-b", name="hot-hv-b-001", uuid="id-hot-hv-b-001", state="running", description=OURS),
]
ANSWERED = {"hot-hv-a-001": "", "hot-hv-b-001": ""}
MEMBER = LiveMember(
    id="i-1", instance_type="m5.large", zone="eu-west-1a", lifecycle="InService", healthy=True, state="running"
)
GROUP = LiveGroup(tier=Tier.COLD, name="burst", group="cold-burst-1a2b", min=0, desired=3, max=5, members=(MEMBER,))


def seen(
    domains: list[LiveDomain] | None = None,
    groups: tuple[LiveGroup, ...] = (GROUP,),
    answers: dict[str, str] | None = None,
    **errors: str,
) -> World:
    sources = ("hv-a", "hv-b", "aws eu-west-1")
    return world_of(
        SITE,
        declared={},
        recorded=observe(STATE, [Flavour(name="small", vcpu=1, memory_mib=128)]),
        state=STATE,
        readings=[
            Reading(source=s, at=NOW, error=errors.get(s.partition(" ")[0].replace("-", "_"), "")) for s in sources
        ],
        domains=BOTH if domains is None else domains,
        groups=groups,
        answers=ANSWERED if answers is None else answers,
    )


def why(world: World, name: str) -> tuple[bool | None, bool | None, str]:
    found = world.instance(name)
    assert found is not None
    return found.running, found.ready, found.why


def test_a_vm_that_runs_and_answers_is_ready() -> None:
    world = seen()
    assert why(world, "hot-hv-a-001") == (True, True, "")
    assert world.tally(Tier.HOT) == Tally(running=2, ready=2)
    assert world.tally(Tier.HOT, "hv-a") == Tally(running=1, ready=1)


def test_a_vm_that_is_off_gone_paused_or_of_somebody_else_is_not_ready() -> None:
    off = [replace(BOTH[0], state="shut off"), BOTH[1]]
    assert why(seen(off), "hot-hv-a-001") == (False, False, "it is shut off")
    assert why(seen([replace(BOTH[0], state="paused"), BOTH[1]]), "hot-hv-a-001")[2] == "it is paused"
    assert why(seen([BOTH[1]]), "hot-hv-a-001") == (False, False, "it does not exist on hv-a")
    other = replace(BOTH[0], uuid="another", description="my own")
    assert why(seen([other, BOTH[1]]), "hot-hv-a-001")[2] == "another domain on hv-a has its name"
    assert seen(off).tally(Tier.HOT) == Tally(running=1, ready=1)


def test_a_domain_is_known_by_its_uuid_also_under_another_name() -> None:
    assert why(seen([replace(BOTH[0], name="renamed"), BOTH[1]]), "hot-hv-a-001")[:2] == (True, True)


def test_a_vm_whose_check_fails_runs_and_is_not_ready() -> None:
    world = seen(answers={**ANSWERED, "hot-hv-a-001": "it answered 503"})
    assert why(world, "hot-hv-a-001") == (True, False, "its health check failed: it answered 503")
    assert world.tally(Tier.HOT) == Tally(running=2, ready=1)


def test_a_vm_that_can_not_be_asked_is_unknown_and_not_zero() -> None:
    world = seen([BOTH[0]], hv_b="no answer within 10 s")
    assert why(world, "hot-hv-b-001") == (None, None, "hv-b could not be read (no answer within 10 s)")
    assert world.tally(Tier.HOT) == Tally(running=1, ready=1, unknown=1, unjudged=1)
    assert world.tally(Tier.HOT, "hv-b") == Tally(running=None, ready=None, unknown=1, unjudged=1)
    assert world.silent == {"hv-b": "no answer within 10 s"}
    unasked = seen(answers={"hot-hv-a-001": ""})
    assert why(unasked, "hot-hv-b-001") == (True, None, "its address is not known")
    assert unasked.tally(Tier.HOT) == Tally(running=2, ready=1, unjudged=1)


def test_a_cloud_that_does_not_answer_leaves_what_was_recorded_unknown() -> None:
    world = seen(groups=(), aws="throttled")
    assert world.tally(Tier.COLD) == Tally(running=None, ready=None, unknown=3, unjudged=3)
    assert seen(groups=()).tally(Tier.COLD) == Tally(running=0, ready=0), "it answered: the group is gone"


def test_an_instance_is_ready_in_service_healthy_and_healthy_behind_its_balancer() -> None:
    def ready(member: LiveMember, *arns: str) -> str:
        return why(seen(groups=(replace(GROUP, members=(member,), target_groups=arns),)), "i-1")[2]

    assert ready(MEMBER) == ""
    assert ready(replace(MEMBER, targets={"tg": "healthy"}), "tg") == ""
    assert ready(replace(MEMBER, targets={"tg": "unused"}), "tg") == "", (
        "a target group without a balancer checks nothing"
    )
    assert ready(replace(MEMBER, targets={"tg": "initial"}), "tg") == "its target group reports it as initial"
    assert ready(MEMBER, "tg") == "its target group reports it as not registered"
    assert ready(replace(MEMBER, healthy=False)) == "its group reports it as unhealthy"
    assert ready(replace(MEMBER, lifecycle="Pending", state="pending")) == "its lifecycle state is Pending"
    assert ready(replace(MEMBER, state="stopped")) == "EC2 reports it as stopped"
    assert ready(replace(MEMBER, state="")) == "EC2 does not know it"


def test_a_domain_of_the_stack_that_no_state_holds_is_seen_as_such() -> None:
    half = LiveDomain(
        host="hv-a", name="hot-hv-a-002", uuid="u", state="shut off", description=OURS, vcpu=1, memory_mib=128
    )
    found = seen([*BOTH, half, replace(half, name="hot-hv-a-003", uuid="v", description="not ours")])
    assert [(i.name, i.recorded) for i in found.instances if i.place == "hv-a"] == [
        ("hot-hv-a-001", True),
        ("hot-hv-a-002", False),
    ]


def test_a_check_is_asked_at_the_forwarded_port_or_at_the_vms_own_address() -> None:
    assert endpoints(SITE, STATE, ["hot-hv-a-001", "hot-hv-b-001", "elsewhere"]) == {
        "hot-hv-a-001": "http://127.0.0.1:20001/ok",
        "hot-hv-b-001": "http://192.0.2.7:8080/ok",
    }


def test_a_slots_name_holds_tier_host_and_number() -> None:
    assert slot_of("hot-hv-1-001-007") == (Tier.HOT, "hv-1-001", 7)
    assert slot_of("hot-hv-a") is None


def test_without_anything_recorded_a_tier_has_no_instances_and_nothing_unknown() -> None:
    assert World(declared={}, recorded=Observed()).tally(Tier.HOT) == Tally(running=0, ready=0)
