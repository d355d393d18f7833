"""The aws plugin against the lab's AWS over real HTTP, through the servicer that the engine speaks to."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import boto3
import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.plugins.aws.types import provider
from lab.plugins.server import Servicer
from lab.plugins.wire import Properties, decode, encode

GROUP = "aws:autoscaling/group:Group"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
RESERVATION = "aws:ec2/capacityReservation:CapacityReservation"


class Engine:
    """Speaks to the plugin as the engine does, over gRPC."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub

    def check(self, token: str, news: Properties) -> Properties:
        request = provider_pb2.CheckRequest(type=token, name="r", news=encode(news), randomSeed=b"s")
        answer = self.stub.Check(request)
        assert not answer.failures, answer.failures
        return decode(answer.inputs).values

    def create(self, token: str, news: Properties, *, preview: bool = False) -> tuple[str, Properties]:
        properties = encode(self.check(token, news))
        answer = self.stub.Create(provider_pb2.CreateRequest(type=token, properties=properties, preview=preview))
        return answer.id, decode(answer.properties).values

    def update(self, token: str, id: str, olds: Properties, news: Properties) -> Properties:
        request = provider_pb2.UpdateRequest(type=token, id=id, olds=encode(olds), news=encode(self.check(token, news)))
        return decode(self.stub.Update(request).properties).values

    def read(self, token: str, id: str, state: Properties) -> Properties | None:
        answer = self.stub.Read(provider_pb2.ReadRequest(type=token, id=id, properties=encode(state)))
        return decode(answer.properties).values if answer.id else None

    def delete(self, token: str, id: str, state: Properties) -> None:
        self.stub.Delete(provider_pb2.DeleteRequest(type=token, id=id, properties=encode(state)))


@pytest.fixture(scope="module")
def engine(endpoint: str) -> Iterator[Engine]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = provider_pb2_grpc.ResourceProviderStub(channel)
    services = dict.fromkeys(("autoscaling", "ec2", "elbv2", "sts"), endpoint)
    configuration = {"region": "us-east-1", "accessKey": "lab", "secretKey": "lab", "endpoints": [services]}
    stub.Configure(provider_pb2.ConfigureRequest(args=encode(configuration)))
    try:
        yield Engine(stub)
    finally:
        channel.close()
        server.stop(0).wait()


@pytest.fixture(scope="module")
def template(engine: Engine) -> tuple[str, Properties]:
    wanted = {"name": "warm", "imageId": "ami-12c6146b", "instanceType": "t3.micro", "tags": {"tier": "warm"}}
    return engine.create(TEMPLATE, wanted)


def sizes(template: tuple[str, Properties], **more: Any) -> Properties:
    launch = {"id": template[0], "version": "1"}
    base = {"availabilityZones": ["us-east-1a"], "launchTemplate": launch, "waitForCapacityTimeout": "0"}
    return {**base, "minSize": 1, "maxSize": 3, **more}


def test_a_template_reads_back_as_it_was_made(engine: Engine, template: tuple[str, Properties]) -> None:
    id, outputs = template
    assert (outputs["latestVersion"], outputs["tags"]) == (1, {"tier": "warm"})
    assert engine.read(TEMPLATE, id, outputs) == outputs


def test_a_preview_touches_nothing(engine: Engine, template: tuple[str, Properties]) -> None:
    id, _ = engine.create(GROUP, sizes(template, name="never"), preview=True)
    assert id == ""
    assert engine.read(GROUP, "never", {}) is None


def test_a_group_is_made_resized_found_resized_and_deleted_twice(
    engine: Engine, template: tuple[str, Properties]
) -> None:
    wanted = sizes(template, name="grp", warmPool={"minSize": 1, "maxGroupPreparedCapacity": 2})
    id, state = engine.create(GROUP, wanted)
    assert (id, state["desiredCapacity"], state["warmPool"]["maxGroupPreparedCapacity"]) == ("grp", 1, 2)
    state = engine.update(GROUP, id, state, {**wanted, "minSize": 2, "maxSize": 5})
    assert (state["minSize"], state["maxSize"], state["desiredCapacity"]) == (2, 5, 2)
    assert engine.read(GROUP, id, {}) is not None
    forced = {**state, "forceDelete": True}
    engine.delete(GROUP, id, forced)
    engine.delete(GROUP, id, forced)
    assert engine.read(GROUP, id, {}) is None


def test_a_desired_size_out_of_range_is_refused_with_the_services_code(
    engine: Engine, template: tuple[str, Properties]
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        engine.create(GROUP, sizes(template, name="big", desiredCapacity=9))
    assert "api error ValidationError" in raised.value.details()


def test_a_reservation_changes_its_count_in_place_and_is_gone_once_cancelled(engine: Engine) -> None:
    wanted = {"instanceType": "m5.large", "instancePlatform": "Linux/UNIX", "availabilityZone": "us-east-1a"}
    id, state = engine.create(RESERVATION, {**wanted, "instanceCount": 1})
    state = engine.update(RESERVATION, id, state, {**wanted, "instanceCount": 3})
    assert state["instanceCount"] == 3
    engine.delete(RESERVATION, id, state)
    engine.delete(RESERVATION, id, state)
    assert engine.read(RESERVATION, id, state) is None


def test_a_balancer_with_group_listener_and_rule_is_made_found_and_deleted_twice(engine: Engine, endpoint: str) -> None:
    ec2 = boto3.client(
        "ec2", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="lab", aws_secret_access_key="lab"
    )
    subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda subnet: str(subnet["AvailabilityZone"]))
    network = {"vpcId": subnets[0]["VpcId"], "port": 80, "protocol": "HTTP", "deregistrationDelay": 30}
    group = engine.create("aws:lb/targetGroup:TargetGroup", {"name": "warm", **network})
    balancer = engine.create(
        "aws:lb/loadBalancer:LoadBalancer",
        {"name": "front", "internal": True, "subnets": [s["SubnetId"] for s in subnets[:2]]},
    )
    forward = [{"type": "forward", "targetGroupArn": group[0]}]
    listener = engine.create(
        "aws:lb/listener:Listener", {"loadBalancerArn": balancer[0], "port": 80, "defaultActions": forward}
    )
    condition = {"pathPattern": {"values": ["/"]}}
    rule = engine.create(
        "aws:lb/listenerRule:ListenerRule",
        {"listenerArn": listener[0], "priority": 1, "actions": forward, "conditions": [condition]},
    )
    made = {
        "aws:lb/listenerRule:ListenerRule": rule,
        "aws:lb/listener:Listener": listener,
        "aws:lb/loadBalancer:LoadBalancer": balancer,
        "aws:lb/targetGroup:TargetGroup": group,
    }
    for kind, (id, state) in made.items():
        found = engine.read(kind, id, state) or {}
        known = {key: value for key, value in state.items() if key != "loadBalancerArns"}  # known once it is attached
        assert {key: found.get(key) for key in known} == known
    assert group[1]["deregistrationDelay"] == 30
    for kind, (id, state) in made.items():
        engine.delete(kind, id, state)
        engine.delete(kind, id, state)
        assert engine.read(kind, id, state) is None
