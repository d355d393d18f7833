"""An encrypted value inside our own keys outlives the next plan, or the plan says why it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.plan.render import read_config, render

OWN = frozenset({"tiercast:plan", "tiercast:hot", "tiercast:warm", "tiercast:tags"})
SECRET = {"secure": "v1:abc:def=="}


def hot(*hosts: str, **more: Any) -> dict[str, Any]:
    return {"hypervisors": [{"name": host, "uri": f"qemu+ssh://{host}/system"} for host in hosts], **more}


def after(before: dict[str, Any], **values: Any) -> dict[str, Any]:
    """What a plan with these values leaves of a stack file with `before`; planning again changes nothing."""
    old = render("", {f"tiercast:{k}": v for k, v in before.items()}, own=OWN, location="f")
    wanted = {f"tiercast:{k}": v for k, v in values.items()}
    new = render(old, wanted, own=OWN, location="Pulumi.prod.yaml")
    assert render(new, wanted, own=OWN, location="Pulumi.prod.yaml") == new
    return read_config(new, "f")


def test_a_hypervisors_encrypted_uri_stays_while_all_else_is_the_plans() -> None:
    before = hot("hv-1", "hv-2", slots=[1])
    before["hypervisors"][1]["uri"] = SECRET
    found = after({"hot": before}, hot=hot("hv-1", "hv-2", slots=[1, 2]))["tiercast:hot"]
    assert found == {
        "hypervisors": [{"name": "hv-1", "uri": "qemu+ssh://hv-1/system"}, {"name": "hv-2", "uri": SECRET}],
        "slots": [1, 2],
    }


def test_a_secret_follows_its_element_by_name() -> None:
    before = hot("hv-1", "hv-2")
    before["hypervisors"][1]["uri"] = SECRET
    found = after({"hot": before}, hot=hot("hv-2", "hv-0", "hv-1"))["tiercast:hot"]["hypervisors"]
    assert [host["uri"] for host in found] == [SECRET, "qemu+ssh://hv-0/system", "qemu+ssh://hv-1/system"]


def test_user_data_and_tags_can_be_encrypted() -> None:
    before = {"warm": {"launch": {"userData": SECRET}}, "tags": {"team": SECRET}}
    found = after(before, warm={"launch": {"userData": "#cloud-config\n"}, "groups": [1]}, tags={"team": "a", "b": "c"})
    assert found["tiercast:warm"] == {"launch": {"userData": SECRET}, "groups": [1]}
    assert found["tiercast:tags"] == {"team": SECRET, "b": "c"}


def encrypted_host() -> dict[str, Any]:
    before = hot("hv-1", "hv-2")
    before["hypervisors"][1]["uri"] = SECRET
    return {"hot": before}


@pytest.mark.parametrize(
    ("before", "values", "path"),
    [
        (encrypted_host(), {"hot": hot("hv-1")}, "tiercast:hot.hypervisors[1].uri"),
        (encrypted_host(), {"hot": {"hypervisors": []}}, "tiercast:hot.hypervisors[1].uri"),
        (encrypted_host(), {"plan": {"id": "p"}}, "tiercast:hot.hypervisors[1].uri"),
        ({"hot": {"boot": {"kernel": SECRET}}}, {"hot": {"slots": []}}, "tiercast:hot.boot.kernel"),
        ({"hot": {"cmdline": ["a", SECRET]}}, {"hot": {"cmdline": ["a"]}}, "tiercast:hot.cmdline[1]"),
    ],
)
def test_a_secret_that_would_be_lost_stops_the_plan_with_the_command_that_removes_it(
    before: dict[str, Any], values: dict[str, Any], path: str
) -> None:
    with pytest.raises(InputError) as caught:
        after(before, **values)
    words = str(caught.value)
    assert f"Pulumi.prod.yaml: {path} is encrypted, but the plan has no such key" in words
    assert f"pulumi config rm --path '{path}'" in words
    assert "v1:abc" not in words


@pytest.mark.parametrize(
    ("before", "values", "path"),
    [
        ({"hot": SECRET}, {"hot": hot("hv-1")}, "tiercast:hot"),
        ({"plan": {"id": SECRET}}, {"plan": {"id": "p1"}}, "tiercast:plan.id"),
        ({"warm": {"size": {"max": SECRET}}}, {"warm": {"size": {"max": 3}}}, "tiercast:warm.size.max"),
        ({"hot": {"slots": [{"f": SECRET}]}}, {"hot": {"slots": [{"f": "small"}]}}, "tiercast:hot.slots[0].f"),
    ],
)
def test_what_the_plan_decides_cannot_be_encrypted(before: dict[str, Any], values: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError) as caught:
        after(before, **values)
    assert f"{path} is encrypted, but the plan decides this value" in str(caught.value)
