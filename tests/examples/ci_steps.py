"""Reads the CI examples and runs the shell of their steps as the host would: `bash -e` in a checkout."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "ci"


def workflow(name: str) -> dict[str, Any]:
    """A workflow's content; its `on` is kept under that name, which YAML 1.1 reads as true."""
    found = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    if True in found:
        found["on"] = found.pop(True)
    assert isinstance(found, dict)
    return found


def jobs_of_gitlab() -> dict[str, Any]:
    """The jobs of GitLab's example."""
    found = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(name: str, job: str) -> list[dict[str, Any]]:
    """The steps of a job."""
    found = workflow(name)["jobs"][job]["steps"]
    assert isinstance(found, list)
    return found


def named(name: str, job: str, words: str) -> dict[str, Any]:
    """The one step of a job whose name holds these words."""
    (found,) = [step for step in steps(name, job) if words in step.get("name", "")]
    return found


@dataclass(kw_only=True)
class Runner:
    """One runner: its folder, its environment, what steps handed on, and stand-ins for programs that are not here."""

    folder: Path
    environment: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("bin", "temp"):
            (self.folder.parent / name).mkdir(exist_ok=True)
        self.environment = {
            **self.environment,
            "PATH": f"{self.folder.parent / 'bin'}:{self.environment['PATH']}",
            "RUNNER_TEMP": str(self.folder.parent / "temp"),
            "GITHUB_OUTPUT": str(self.folder.parent / "outputs"),
            "GITHUB_ENV": str(self.folder.parent / "variables"),
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary.md"),
            "GITHUB_REPOSITORY": "acme/shop",
        }

    def stand_in(self, program: str, text: str) -> Path:
        """Put a program of this text on the PATH; returns the file to which it may write what it was called with."""
        path = self.folder.parent / "bin" / program
        log = self.folder.parent / f"{program}.log"
        path.write_text(text.replace("@LOG@", str(log)))
        path.chmod(0o755)
        return log

    def run(self, step: Mapping[str, Any], job: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a step of GitHub; its outputs and variables reach the next one."""
        given = {**(job or {}).get("env", {}), **step.get("env", {})}
        environment = {**self.environment, **{name: self.filled(str(value)) for name, value in given.items()}}
        done = self.shell(step["run"], environment, self.folder / step.get("working-directory", "."))
        for name, kept in (("GITHUB_OUTPUT", self.outputs), ("GITHUB_ENV", self.environment)):
            path = Path(self.environment[name])
            if path.exists():
                kept.update(line.split("=", 1) for line in path.read_text().splitlines())
                path.unlink()
        return done

    def script(self, lines: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a job's script of GitLab: all its lines in one shell."""
        return self.shell("set -o pipefail\n" + "\n".join(lines), {**self.environment, **variables}, self.folder)

    def shell(self, text: str, environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
        """`bash -e` with exactly this environment."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-c", text],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def filled(self, text: str) -> str:
        """A value with its `${{ … }}` replaced; one that the test gave no value for is an error."""
        return re.sub(r"\$\{\{ *(.+?) *\}\}", lambda found: self.values[found[1]], text)


#: Stands in for `python`: makes a virtualenv in which nothing has to be installed, with a `pip` that notes its arguments.
PYTHON = f"""#!/bin/sh
set -e
test "$1 $2" = "-m venv"
mkdir -p "$3/bin"
cp {ROOT}/.venv/pyvenv.cfg "$3/"
ln -s {ROOT}/.venv/lib "$3/lib"
ln -s "$(readlink -f {ROOT}/.venv/bin/python)" "$3/bin/python"
printf '#!/bin/sh\\necho "$@" >> @LOG@\\n' > "$3/bin/pip"
cat > "$3/bin/tiercast" <<END
#!/bin/sh
exec "$PWD/$3/bin/python" -P -c "import sys; sys.path.insert(0, '{ROOT}'); from reconciler.cli import main; main()" "\\$@"
END
chmod +x "$3/bin/pip" "$3/bin/tiercast"
"""


def mode(path: Path) -> int:
    """Permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def plain_environment() -> dict[str, str]:
    """The tests' environment without what would shadow a checkout's own packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def checkout(target: Path, *, whole: bool) -> None:
    """A copy of the project; `whole` with the packages that a policy pack imports."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "Pulumi.yaml", target)
    for name in ("stacks", "policies", *(("reconciler", "forecaster", "requirements") if whole else ())):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
