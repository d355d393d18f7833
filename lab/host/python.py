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

# These run inside the program's Python, with -I: nothing of the project is imported by accident.
LIST_PACKAGES = """
import importlib.metadata as metadata, json
print(json.dumps([[d.metadata["Name"], d.version] for d in metadata.distributions() if d.metadata["Name"]]))
"""
LIST_FOLDERS = "import json, sysconfig; p = sysconfig.get_paths(); print(json.dumps([p['purelib'], p['platlib']]))"
PLUGIN_FILE = "pulumi-plugin.json"


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
            f"The virtualenv '{named}' of Pulumi.yaml's runtime options has no {python}: run `make setup`, or create the "
            "virtualenv and install the program's requirements."
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


def packages(python: Path) -> list[tuple[str, str]]:
    """Installed distributions of `python`: name and version, by name."""
    return sorted((str(name), str(version)) for name, version in _ask(python, LIST_PACKAGES))


def providers(python: Path) -> list[dict[str, Any]]:
    """What the provider SDKs installed for `python` say of their plugins: name, version and perhaps a server."""
    found = {}
    for folder in dict.fromkeys(_ask(python, LIST_FOLDERS)):
        for path in sorted(Path(folder).glob(f"*/{PLUGIN_FILE}")):
            try:
                plugin = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(plugin, dict) and plugin.get("resource") and plugin.get("name") and plugin.get("version"):
                found[str(plugin["name"])] = plugin
    return [found[name] for name in sorted(found)]


def _ask(python: Path, code: str) -> list[Any]:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=120)
    answer: list[Any] = json.loads(done.stdout)
    return answer


def own_version() -> str:
    """The version this host reports: that of the SDK whose protocol it speaks."""
    return importlib.metadata.version("pulumi")
