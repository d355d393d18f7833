"""Two stacks in two regions from one fleet file, on the lab's cloud: each is planned and applied by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from site_cases import LAUNCH, Site, make_site

from lab import up

pytestmark = [pytest.mark.engine, pytest.mark.lab]

COLD = {"instance_types": ["m5.large", "m6i.large"], "launch": LAUNCH}
WEST = {"region": "us-west-2", "tiers": {"cold": {"launch": {"zones": ["us-west-2a"]}, "min": 2}}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = make_site(tmp_path_factory.mktemp("stacks"))
    try:
        yield made
    finally:
        up.down(made.lab.directory)


def test_a_stack_that_fails_does_not_stop_the_other_and_both_have_their_region(site: Site) -> None:
    broken = {**WEST, "tiers": {"cold": {"launch": {"zones": ["us-west-2a"], "image_id": "ami-absent"}, "max": 0}}}
    site.write_fleet(tiers={"cold": COLD}, stacks={"east": {}, "west": broken})
    failed = site.tiercast("reconcile", "--mode", "apply", "--stack", "west")
    assert failed.returncode == 1
    assert "stacks.west.tiers.cold.max" in failed.stderr
    assert "was applied" in site.done("reconcile", "--mode", "apply", "--stack", "east")
    assert [len(site.groups(region)) for region in ("us-east-1", "us-west-2")] == [1, 0]

    site.write_fleet(tiers={"cold": COLD}, stacks={"east": {}, "west": WEST})
    assert "was applied" in site.done("reconcile", "--mode", "apply", "--stack", "west")
    (east,), (west,) = site.groups("us-east-1"), site.groups("us-west-2")
    assert [group["AvailabilityZones"] for group in (east, west)] == [["us-east-1a"], ["us-west-2a"]]
    assert west["MinSize"] >= 2
    for group, stack in ((east, "east"), (west, "west")):
        assert {tag["Key"]: tag["Value"] for tag in group["Tags"]}["stack"] == stack
        assert (site.root / ".tiercast" / stack / "ledger.jsonl").exists()
        assert site.stack_config(stack)["tiercast:plan"]["id"]


def test_a_stack_that_the_file_does_not_have_is_refused_with_the_names(site: Site) -> None:
    found = site.tiercast("plan", "--stack", "north")
    assert found.returncode == 1
    assert "there is no stack 'north'; it has east, west" in found.stderr
    assert not (site.root / "Pulumi.north.yaml").exists()
