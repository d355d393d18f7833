"""A mistake in a file that people write is one clause with the line, the key, and what was meant."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from policies.cost import CostCeiling
from policies.judge import read_settings
from policies.pack_config import PackConfigError, read_pack_config
from policies.rule import Misconfigured
from reconciler.adapters.files import read_placed
from reconciler.approval.envelope import parse_envelope
from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from reconciler.prices.catalogue import load_catalogue
from stacks.yaml_text import Places, load_json

TEMPLATE = files("reconciler").joinpath("templates/fleet.yaml").read_text(encoding="utf-8")


def line_of(text: str, part: str) -> int:
    return 1 + text[: text.index(part)].count("\n")


def told(folder: Path, old: str, new: str) -> str:
    """The message about the template with a text replaced, with the line of `new` as {line}."""
    assert old in TEMPLATE
    text = TEMPLATE.replace(old, new, 1)
    (folder / "fleet.yaml").write_text(text)
    raw, places = read_placed(folder / "fleet.yaml", "a fleet file")
    with pytest.raises(InputError) as caught:
        parse_fleet(raw, "fleet.yaml", places)
    found = str(caught.value)
    return found.replace(f"line {line_of(text, new.strip().splitlines()[-1])}", "line {line}")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("guards:", "guads:", "fleet.yaml, line {line}: guads: is not a known key (did you mean guards? expected version, "),
        ("hypervisors:", "hypervisor:", "tiers.hot.hypervisor: is not a known key (did you mean hypervisors? expected min"),
        ("image_id:", "imageid:", "tiers.warm.launch.imageid: is not a known key (did you mean image_id? expected image_id"),
        ("  step_limit:", "  step_limits:", "guards.step_limits: is not a known key (did you mean step_limit?"),
        ("user: ", "usr: ", "applications[1].usr: is not a known key (did you mean user? expected match, user, qos"),
        ("bridge:", "brige:", "tiers.hot.interfaces[0].brige: is not a known key (did you mean bridge? expected "),
        ("pool: default", "pol: default", "tiers.hot.boot.pol: is not a known key (did you mean pool? expected "),
        ("  boot_time: 2m", "  boot_time: 2", "tiers.hot.boot_time: expected a duration such as"),
        ("  max_age: 15m", "  zzz: 1", "history.zzz: is not a known key (expected source, paths"),
        ("  spare_hosts: 1", "  spare_hosts: 7", "tiers.hot: `spare_hosts` is 7"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_fleet_file_has_line_key_and_what_was_meant(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert words in told(tmp_path, old, new)


def test_a_missing_key_has_the_line_of_the_key_that_lacks_it_and_several_mistakes_a_line_each(tmp_path: Path) -> None:
    found = told(tmp_path, "latency: 200ms", "latncy: 200ms")
    assert found.startswith(
        "fleet.yaml: line {line}, qos.gold.latency: is missing; line {line}, qos.gold.latncy: is not"
    )


def test_an_envelope_names_line_and_key() -> None:
    text = "approved_by: a\nuntil: 2026-01-01T00:00:00Z\ntiers:\n  warm:\n    min: 1\n    mx: 8\n    max: 9\n"
    raw: Any = {"approved_by": "a", "until": "2026-01-01T00:00:00Z", "tiers": {"warm": {"min": 1, "mx": 8, "max": 9}}}
    with pytest.raises(
        InputError, match=r"e\.yaml, line 6: tiers\.warm\.mx: is not .*did you mean max\? expected min, max"
    ):
        parse_envelope(raw, "e.yaml", Places(text))


def test_a_price_catalogue_names_line_and_key() -> None:
    text = (
        files("reconciler.prices").joinpath("catalogue.yaml").read_text(encoding="utf-8").replace("spot:", "spott:", 1)
    )
    with pytest.raises(InputError) as caught:
        load_catalogue(text, "p.yaml")
    assert str(caught.value).startswith(f"p.yaml, line {line_of(text, 'spott:')}: types.")
    assert "did you mean spot? expected on_demand, spot, committed_1yr, committed_3yr" in str(caught.value)


def test_a_pack_configuration_names_line_key_and_policy() -> None:
    text = '{\n  "cost-ceiling": {\n    "maxUsdPerHuor": 3\n  }\n}'
    with pytest.raises(Misconfigured) as caught:
        read_settings("cost-ceiling", CostCeiling, load_json(text)["cost-ceiling"], Places(text))
    assert "cost-ceiling is not valid at 'maxUsdPerHuor' (line 3): is not a known key (did you mean" in str(
        caught.value
    )
    assert "did you mean maxUsdPerHour? expected " in str(caught.value)
    with pytest.raises(PackConfigError, match="unknown policy 'cost-celing'; did you mean 'cost-ceiling'") as unknown:
        read_pack_config({"cost-celing": "mandatory"}, ["cost-ceiling"])
    assert unknown.value.path == ("cost-celing",)
