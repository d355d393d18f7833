"""The environment in which the plain `pulumi` works against a lab; `tiercast lab env` prints it for a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from lab.model import Lab


def environment(lab: Lab, *, path: str | None = None) -> dict[str, str]:
    """Variables to set for the engine, the program and AWS clients of `lab`.

    `path` is the PATH to put the lab's programs before; by default this process's own. Nothing is read but that and
    whether the policy pack is there.
    """
    before = os.environ.get("PATH", os.defpath) if path is None else path
    folders = [str(lab.bin_directory), *(part for part in before.split(os.pathsep) if part != str(lab.bin_directory))]
    variables = {
        "PATH": os.pathsep.join(folders),
        "PULUMI_HOME": str(lab.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{lab.backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(lab.passphrase_file),
        "PULUMI_STACK": lab.stack,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # All plugins are here already; nothing is looked for on the network.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_DEFAULT_REGION": lab.region,
        "AWS_REGION": lab.region,
        "AWS_ENDPOINT_URL": lab.cloud_endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    fleet = lab.directory / "fleet.yaml"
    if fleet.exists():
        variables["TIERCAST_FLEET"] = str(fleet)
    pack = lab.root / "policies"
    if (pack / "PulumiPolicy.yaml").exists():
        variables["PULUMI_OPTION_POLICY_PACK"] = str(pack)
        config = pack / f"config.{lab.stack}.json"
        if config.exists():
            variables["PULUMI_OPTION_POLICY_PACK_CONFIG"] = str(config)
    return variables


def shell_exports(variables: Mapping[str, str]) -> str:
    """`export NAME=value` lines, quoted for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
