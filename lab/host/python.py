"""Which Python runs a program, and how: the virtualenv of Pulumi.yaml's runtime options, else the host's own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Packages of the SDK that are no provider: they need no plugin.
NOT_PROVIDERS = {"pulumi", "pulumi-policy", "pulumi_policy"}

# Runs inside the program's Python: what is installed there, and which of it wants a Pulumi plugin.
LIST_PACKAGES = """
import importlib.metadata as metadata, json
packages = []
for distribution in metadata.distributions():
    name = distribution.metadata["Name"]
    if not name:
        continue
    plugin = next((str(f.locate()) for f in distribution.files or () if f.name == "pulumi-plugin.json"), None)
    entry = {"name": name, "version": distribution.version}
    if plugin:
        try:
            entry["plugin"] = json.load(open(plugin))
        except (OSError, ValueError):
            pass
    packages.append(entry)
print(json.dumps(packages))
"""


class NoPythonError(Exception):
    """The virtualenv that Pulumi.yaml names has no Python."""


def interpreter(root: Path, options: Mapping[str, Any]) -> Path:
    """The Python for a program in the project at `root`. Raises NoPythonError where the named virtualenv has none."""
    named = options.get("virtualenv")
    if not isinstance(named, str) or not named:
        return Path(sys.executable)
    python = (root / named) / "bin" / "python"
    if not python.exists():
        raise NoPythonError(
            f"The virtualenv '{named}' of Pulumi.yaml's runtime options has no {python}: run `make setup` (or make the "
            "virtualenv and install the program's requirements in it)."
        )
    return python


def environment(python: Path, given: Mapping[str, str]) -> dict[str, str]:
    """`given` with the interpreter's folder first on PATH, as an activated virtualenv has it."""
    changed = dict(given)
    if (python.parent.parent / "pyvenv.cfg").exists():
        changed["VIRTUAL_ENV"] = str(python.parent.parent)
        changed["PATH"] = f"{python.parent}{os.pathsep}{given.get('PATH', os.defpath)}"
        changed.pop("PYTHONHOME", None)
    changed["PYTHONUNBUFFERED"] = "1"
    return changed


def packages(python: Path) -> list[dict[str, Any]]:
    """Installed distributions of `python`: name, version and, for providers, their `plugin` description."""
    done = subprocess.run([python, "-c", LIST_PACKAGES], capture_output=True, text=True, check=True, timeout=120)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return sorted(found, key=lambda package: str(package["name"]).lower())


def own_version() -> str:
    """The version this host reports: that of the SDK whose protocol it speaks."""
    return importlib.metadata.version("pulumi")
