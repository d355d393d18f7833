"""A secret in a fleet file is refused before anything copies it, and the message does not repeat it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from reconciler.fleet.plain_secrets import refuse_plain_secrets


def host(uri: str) -> dict[str, Any]:
    return {"name": "hv-1", "uri": uri}


@pytest.mark.parametrize(
    ("raw", "key", "stack_key"),
    [
        (
            {"tiers": {"hot": {"hypervisors": [host("qemu+tcp://ops:CANARY@hv-1/system")]}}},
            "tiers.hot.hypervisors[0].uri",
            "tiercast:hot.hypervisors[0].uri",
        ),
        (
            {"tiers": {"cold": {"hosts": [host("qemu:///a"), host("qemu+tcp://ops:CANARY@hv-1/system")]}}},
            "tiers.cold.hosts[1].uri",
            "tiercast:cold.metal.hypervisors[1].uri",
        ),
        (
            {"tiers": {"warm": {"launch": {"user_data": "#cloud-config\npassword: CANARY-12345\n"}}}},
            "tiers.warm.launch.user_data",
            "tiercast:warm.launch.userData",
        ),
        ({"tags": {"access_token": "CANARY-12345"}}, "tags.access_token", "tiercast:tags.access_token"),
        ({"config": {"aws:secretKey": "CANARY-12345"}}, "config.aws:secretKey", "…"),
    ],
)
def test_each_place_is_named_with_the_command_that_encrypts_it(raw: dict[str, Any], key: str, stack_key: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fleet(raw, "fleet.yaml")
    words = str(caught.value)
    assert words.startswith(f"fleet.yaml: {key} holds ")
    assert f"--secret --path '{stack_key}'" in words
    assert "CANARY" not in words


def test_ssh_keys_users_and_references_to_a_store_are_no_secrets() -> None:
    refuse_plain_secrets(
        {
            "uri": "qemu+ssh://deploy@rack1.example/system?keyfile=/etc/tiercast/key",
            "user_data": "#cloud-config\npassword: ssm:/prod/password\ntoken={{ vault }}\n",
            "tags": {"team": "payments"},
        },
        "fleet.yaml",
    )
