"""What the engine hears from a plugin before anything is touched: checks, defaults, diffs, previews, as upstream
has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.plugins.aws.types import provider as aws_provider
from lab.plugins.check import DEFAULTS_KEY, Naming, check_inputs
from lab.plugins.diff import compare, requires_delete_first
from lab.plugins.libvirt.domain_state import split_command_line
from lab.plugins.libvirt.domain_xml import command_line, drive_letter
from lab.plugins.libvirt.types import provider as libvirt_provider
from lab.plugins.package_schema import package_schema
from lab.plugins.project import inputs_from_outputs
from lab.plugins.provider import preview_create, preview_update
from lab.plugins.resource import ResourceSpec
from lab.plugins.schema import types_of
from lab.plugins.sdk_types import derive
from lab.plugins.wire import UNKNOWN, Properties, decode, encode

NAMING = Naming(resource_name="warm", seed=b"seed")
GROUP = {"minSize": 1, "maxSize": 3, "launchTemplate": {"id": "lt-1", "version": "1"}}
DOMAIN = {"name": "hot-a-001", "type": "qemu", "memory": 128, "vcpu": 1}


def spec(token: str) -> ResourceSpec:
    specs = {**aws_provider().specs, **libvirt_provider().specs}
    return specs[token]


@pytest.fixture(scope="module")
def group() -> ResourceSpec:
    return spec("aws:autoscaling/group:Group")


@pytest.fixture(scope="module")
def domain() -> ResourceSpec:
    return spec("libvirt:index/domain:Domain")


def checked(kind: ResourceSpec, news: Properties, olds: Properties | None = None) -> Properties:
    inputs, failures = check_inputs(kind, olds or {}, news, NAMING)
    assert failures == []
    return inputs


def reasons(kind: ResourceSpec, news: Properties) -> dict[str, str]:
    return {one.property: one.reason for one in check_inputs(kind, {}, news, NAMING)[1]}


def test_types_and_required_inputs_come_from_the_sdk(group: ResourceSpec) -> None:
    assert group.inputs.required == {"minSize", "maxSize"}
    assert group.inputs.fields["warmPool"].fields["maxGroupPreparedCapacity"].kind == "integer"
    assert {"arn", "warmPoolSize"} <= group.outputs
    assert "maxSize" not in group.outputs


def test_types_kept_on_disk_equal_those_derived(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = "pulumi_libvirt.Domain"
    types_of.cache_clear()
    first = types_of(path)
    types_of.cache_clear()
    assert types_of(path) == first == derive(path)
    types_of.cache_clear()


def test_an_unknown_key_a_missing_argument_and_a_wrong_type_are_named(group: ResourceSpec) -> None:
    found = reasons(group, {"maxSize": "many", "launchTemplate": {"idd": "lt-1"}})
    assert found["maxSize"].startswith("expected integer type, got string type")
    assert found["launchTemplate.idd"] == "Invalid or unknown key. Examine values at 'group.launchTemplate.idd'."
    assert 'The argument "minSize" is required' in found["minSize"]


def test_exactly_one_way_to_launch_is_asked_for(group: ResourceSpec) -> None:
    assert "must be specified" in reasons(group, {"minSize": 0, "maxSize": 1})[""]
    both = {**GROUP, "launchConfiguration": "lc"}
    assert "can't be set together" in reasons(group, both)["launchConfiguration"]


def test_unknown_values_pass_the_check(group: ResourceSpec) -> None:
    assert reasons(group, {**GROUP, "maxSize": UNKNOWN}) == {}


def test_numbers_and_booleans_in_strings_are_taken_as_upstream_takes_them(group: ResourceSpec) -> None:
    inputs = checked(group, {**GROUP, "maxSize": "3", "capacityRebalance": "true"})
    assert (inputs["maxSize"], inputs["capacityRebalance"]) == (3, True)


def test_defaults_are_filled_and_recorded(group: ResourceSpec) -> None:
    inputs = checked(group, {**GROUP, "warmPool": {"minSize": 1}})
    assert inputs["waitForCapacityTimeout"] == "10m"
    assert inputs["warmPool"]["maxGroupPreparedCapacity"] == -1
    assert {"name", "healthCheckGracePeriod"} <= set(inputs[DEFAULTS_KEY])


def test_an_automatic_name_is_kept_and_a_prefix_prevents_one(group: ResourceSpec) -> None:
    first = checked(group, GROUP)
    assert first["name"].startswith("warm-")
    assert checked(group, GROUP, {**first, "name": "warm-0000000"})["name"] == "warm-0000000"
    assert "name" not in checked(group, {**GROUP, "namePrefix": "warm-"})


def test_equal_inputs_differ_in_nothing(domain: ResourceSpec) -> None:
    inputs = checked(domain, DOMAIN)
    assert compare(domain, {**inputs, "arch": "x86_64", "machine": "pc"}, inputs) == []


@pytest.mark.parametrize(
    ("name", "value"), [("memory", 256), ("vcpu", 2), ("cpu", {"mode": "host-model"}), ("type", "kvm"), ("name", "b")]
)
def test_a_domain_is_replaced_where_upstream_replaces_it(domain: ResourceSpec, name: str, value: object) -> None:
    inputs = checked(domain, DOMAIN)
    found = compare(domain, inputs, checked(domain, {**DOMAIN, name: value}))
    assert found
    assert all(one.replaces for one in found)


def test_a_domain_is_updated_where_upstream_updates_it(domain: ResourceSpec) -> None:
    inputs = checked(domain, DOMAIN)
    found = compare(domain, {**inputs, "running": False}, inputs)
    assert [(one.path, one.kind, one.replaces) for one in found] == [("running", "UPDATE", False)]


def test_a_fixed_name_is_deleted_before_it_is_replaced(domain: ResourceSpec) -> None:
    fixed, automatic = checked(domain, DOMAIN), checked(domain, {"memory": 256})
    assert requires_delete_first(domain, fixed, fixed)
    assert not requires_delete_first(domain, automatic, automatic)


def test_what_the_service_fills_is_no_difference_and_drift_is_one(group: ResourceSpec) -> None:
    inputs = checked(group, GROUP)
    state = {
        **inputs,
        "desiredCapacity": 2,
        "availabilityZones": ["a"],
        "launchTemplate": {"id": "lt-1", "version": "1", "name": "n"},
    }
    assert compare(group, state, inputs) == []
    drifted = {**state, "suspendedProcesses": ["Launch"], "maxSize": 9}
    assert [(one.path, one.kind) for one in compare(group, drifted, inputs)] == [
        ("maxSize", "UPDATE"),
        ("suspendedProcesses", "DELETE"),
    ]


def test_the_order_of_a_set_is_no_difference(group: ResourceSpec) -> None:
    tags = [{"key": k, "value": k, "propagateAtLaunch": True} for k in "ab"]
    news = checked(group, {**GROUP, "tags": tags})
    assert compare(group, {**news, "tags": tags[::-1]}, news) == []


def test_ignored_changes_are_left_out(group: ResourceSpec) -> None:
    news = checked(group, {**GROUP, "desiredCapacity": 2, "maxSize": 4})
    found = compare(group, {**news, "desiredCapacity": 3, "maxSize": 3}, news, ["desiredCapacity"])
    assert [one.path for one in found] == ["maxSize"]


def test_a_preview_knows_inputs_and_leaves_outputs_unknown(group: ResourceSpec) -> None:
    outputs = preview_create(group, checked(group, GROUP))
    assert outputs["maxSize"] == 3
    assert outputs["arn"] is UNKNOWN
    assert outputs["desiredCapacity"] is UNKNOWN
    assert DEFAULTS_KEY not in outputs


def test_a_new_version_of_a_template_is_unknown_in_the_preview() -> None:
    template = spec("aws:ec2/launchTemplate:LaunchTemplate")
    news = checked(template, {"name": "t", "instanceType": "t3.small"})
    state = {"name": "t", "instanceType": "t3.micro", "latestVersion": 1, "defaultVersion": 1}
    assert preview_update(template, state, news, [])["latestVersion"] is UNKNOWN
    described = checked(template, {"name": "t", "instanceType": "t3.micro", "description": "d"})
    assert preview_update(template, state, described, [])["latestVersion"] == 1


def test_a_refresh_turns_drift_into_inputs_and_an_import_finds_them(group: ResourceSpec) -> None:
    inputs = checked(group, {**GROUP, "desiredCapacity": 2})
    outputs = {**inputs, "desiredCapacity": 5, "arn": "arn:x"}
    assert inputs_from_outputs(group, inputs, outputs)["desiredCapacity"] == 5
    imported = inputs_from_outputs(group, {}, outputs)
    assert imported["maxSize"] == 3
    assert "arn" not in imported


def test_default_tags_go_below_the_resources_own() -> None:
    prepare = aws_provider().prepare({"defaultTags": {"tags": {"a": "1", "b": "1"}}})
    template = spec("aws:ec2/launchTemplate:LaunchTemplate")
    assert prepare(template, {"tags": {"b": "2"}})["tags"] == {"a": "1", "b": "2"}
    assert prepare(spec("aws:autoscaling/group:Group"), {}) == {}


def test_the_package_schema_lists_every_type() -> None:
    for provider in (aws_provider(), libvirt_provider()):
        text = package_schema(provider)
        assert all(token in text for token in provider.specs)


words = st.text(alphabet="abcdefgh", min_size=1, max_size=4)
values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(words, values, max_size=4))
def test_values_come_back_from_the_wire_as_they_went(properties: Properties) -> None:
    assert decode(encode(properties)).values == properties


def test_secrets_and_unknowns_come_back_from_the_wire_where_they_were() -> None:
    decoded = decode(encode({"a": {"b": ["x", UNKNOWN]}}, [("a", "b", 0)]))
    assert decoded.values == {"a": {"b": ["x", UNKNOWN]}}
    assert decoded.secrets == {("a", "b", 0)}


def test_a_command_line_in_the_stable_form_reads_back_the_same() -> None:
    stable: list[dict[str, str]] = [{"console": "ttyS0"}, {"_": "quiet"}]
    assert split_command_line(command_line(stable)) == stable
    assert split_command_line("a=1 b=2 a=3 quiet") == [{"a": "1", "b": "2"}, {"a": "3"}, {"_": "quiet"}]


def test_drives_are_lettered_past_z() -> None:
    assert [drive_letter(index) for index in (0, 25, 26)] == ["a", "z", "aa"]
