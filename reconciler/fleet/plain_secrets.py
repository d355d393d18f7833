"""Refuse a fleet file that holds a secret: its content is copied into the stack file, the plan and the kept inputs."""

from __future__ import annotations

import re
from typing import Any

from reconciler.errors import InputError
from stacks.plain_secrets import plain_secrets


def refuse_plain_secrets(raw: Any, location: str) -> None:
    """Raise an InputError that names each key with a secret and the command that stores it encrypted, never the value."""
    found = dict(plain_secrets("", raw))
    if not found:
        return
    key = next(iter(found))
    raise InputError(
        location,
        "; ".join(f"{place} holds {what} in plain text" for place, what in found.items()) + ".",
        "Replace it by the value without the secret, run `tiercast plan`, and store the whole value with `pulumi config set "
        f"--secret --path '{_stack_path(key)}'`: later plans keep it. Change the secret if this file was shared.",
    )


def _stack_path(key: str) -> str:
    """The stack file's key for a key of the fleet file: tiers.cold.hosts[0].uri → tiercast:cold.metal.hypervisors[0].uri."""
    key = re.sub(r"^stacks\..+?\.(?=(?:tiers|tags|routing)\.)", "", key)
    tier, _, rest = key.removeprefix("tiers.").partition(".")
    if not key.startswith("tiers."):
        return f"tiercast:{key}" if key.startswith(("tags.", "routing.")) else "…"
    rest = re.sub(r"_([a-z])", lambda letter: letter.group(1).upper(), rest)
    if tier == "cold" and rest.startswith(("hosts", "boot", "overlay", "interfaces")):
        rest = "metal." + rest.replace("hosts", "hypervisors", 1)
    return f"tiercast:{tier}.{rest}"
