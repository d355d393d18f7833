"""The program of `pulumi up`: reads the configuration, refuses a stale or invalid one, declares the stack.

Only this module of `stacks` reads the clock.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi

# Pulumi runs this folder as a program, so the repository's root is not on the path unless tiercast is installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from stacks.contract import MISSING, ContractError, StackConfig, from_engine, parse, stale
from stacks.program import declare


def configuration(raw: dict[str, Any], *, secret_keys: Collection[str] = ()) -> StackConfig:
    """The validated configuration from the engine's values by full key (`tiercast:plan` → JSON text).

    No message shows a value of `secret_keys`.

    Raises:
        pulumi.RunError: one line per fault; the engine shows it without a traceback.
    """
    values = from_engine(raw)
    if not {"plan", "demand"} & values.keys():
        raise pulumi.RunError(MISSING)
    try:
        return parse(values, secret_keys=secret_keys)
    except ContractError as error:
        raise pulumi.RunError(f"The stack configuration is not valid.\n{error}") from None


def main(now: datetime) -> None:
    """Declare the configured stack, unless its plan has expired at `now`."""
    secrets = {key.partition(":")[2] for key in pulumi.runtime.get_config_secret_keys_env()}
    config = configuration(pulumi.runtime.get_config_env(), secret_keys=secrets)
    refusal = stale(config, now)
    if refusal is not None:
        raise pulumi.RunError(refusal)
    if config.override is not None and now > config.plan.valid_until:
        pulumi.log.warn(f"An override applies an expired plan until {config.override.until}: {config.override.reason}")
    outputs = declare(config, project=pulumi.get_project(), stack=pulumi.get_stack(), secret_keys=secrets)
    for name, value in outputs.items():
        pulumi.export(name, value)


if __name__ == "__main__":
    main(datetime.now(UTC))
