"""What an approval is bound to besides files and steps: the program, and where and with what it runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.adapters.project import Project

#: Packages whose version decides what an update does.
_PACKAGES = ("pulumi", "pulumi-aws", "pulumi-libvirt", "pulumi-policy")
#: Plugins of the providers. Pulumi takes one on PATH, whatever its version, before the one that the package asks for.
_PLUGINS = ("pulumi-resource-aws", "pulumi-resource-libvirt")


def program_digest(project: Project) -> str:
    """SHA-256 over the program: `Pulumi.yaml` and every file under its `main` folder."""
    sha = hashlib.sha256((project.root / "Pulumi.yaml").read_bytes())
    for path in sorted(project.program.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            sha.update(f"{path.relative_to(project.program)}\0{len(content)}\0".encode() + content)
    return sha.hexdigest()


def place_of(project: Project, config: dict[str, Any]) -> dict[str, str]:
    """Stack, backend (without credentials), account and region, and the versions of engine and plugins.

    An account that can't be asked is "": the engine fails by itself where it needs one.
    """
    url = urlsplit(project.backend())
    region = str(config.get("aws:region", ""))
    found = {
        "stack": project.stack,
        "backend": url._replace(netloc=url.netloc.rpartition("@")[2], query="").geturl(),
        "account": _account(region) if region else "",
        "region": region,
        "engine": _engine_version(),
    }
    for name in _PACKAGES:
        found[name] = importlib.metadata.version(name)
    for name in _PLUGINS:
        if (program := shutil.which(name)) is not None:
            with Path(program).open("rb") as stream:
                found[f"{name} on PATH"] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return found


def _engine_version() -> str:
    program = shutil.which("pulumi")
    if program is None:
        return ""
    done = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def _account(region: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quick = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    try:
        return str(boto3.client("sts", region_name=region, config=quick).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return ""
