"""Faults around the engine are told in one sentence with their remedy; the texts are those of the real CLI."""

from __future__ import annotations

import pytest

from reconciler.observe.engine_faults import known_fault

NO_PLUGIN = (
    "no resource plugin 'pulumi-resource-libvirt' found in the workspace at version v0.5.4 or on your $PATH, install the plugin "
    "using `pulumi plugin install resource libvirt v0.5.4`"
)


@pytest.mark.parametrize(
    ("text", "message", "remedy", "passing"),
    [
        (
            "error: getting stack configuration: get stack secrets manager: incorrect passphrase",
            "The passphrase does not fit this stack's secrets.",
            "PULUMI_CONFIG_PASSPHRASE_FILE",
            False,
        ),
        (
            "error: get stack secrets manager: unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /run/none: no such file or "
            "directory",
            "The passphrase file /run/none can't be read: no such file or directory.",
            "PULUMI_CONFIG_PASSPHRASE_FILE",
            False,
        ),
        (
            "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables",
            "This stack's secrets need a passphrase, and none is set.",
            "PULUMI_CONFIG_PASSPHRASE_FILE",
            False,
        ),
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
            "Nobody is logged in to the backend that holds this stack's state.",
            "PULUMI_BACKEND_URL",
            False,
        ),
        (
            'error: unable to open state directory "file:///srv/state?no_tmp_dir=true": stat /srv/state: no such file or directory',
            "The backend file:///srv/state can't be opened: stat /srv/state: no such file or directory.",
            "PULUMI_BACKEND_URL",
            False,
        ),
        (NO_PLUGIN, "The engine has no plugin pulumi-resource-libvirt v0.5.4.", "pulumi plugin install", False),
        (
            "error: saving snapshot: write /srv/state/x.json: no space left on device",
            "The disk is full: the engine could not write.",
            "the next run continues",
            True,
        ),
        (
            "api error Throttling: Rate exceeded",
            "AWS limits the rate of requests.",
            "the next run continues",
            True,
        ),
        (
            'error: read ".pulumi/meta.yaml": Get "http://127.0.0.1:9/b": dial tcp 127.0.0.1:9: connect: connection refused',
            'The network or a service that the engine calls does not answer: read ".pulumi/meta.yaml": Get '
            '"http://127.0.0.1:9/b": dial tcp 127.0.0.1:9: connect: connection refused',
            "Check that backend and cloud answer",
            True,
        ),
    ],
)
def test_each_fault_is_told_with_its_remedy(text: str, message: str, remedy: str, passing: bool) -> None:
    found = known_fault(text)
    assert found is not None
    assert found.message == message
    assert remedy in found.remedy
    assert found.passing is passing


def test_any_other_text_is_no_known_fault() -> None:
    assert known_fault("error: hot-hv-a-001: a plugin refused the domain") is None
