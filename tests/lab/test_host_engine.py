"""The lab's language host under the real engine: programs, failures and policy packs, through the plain `pulumi`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import engine, env, model, paths, stack, up
from lab.model import Lab

pytestmark = pytest.mark.engine

PROGRAM = """
import os
import time
import pulumi

config = pulumi.Config()
print("the program speaks")
if config.get("do") == "fail":
    raise SystemExit(3)
if config.get("do") == "raise":
    raise ValueError("no such tier")
if config.get("do") == "wait":
    open(os.environ["WAITING"], "w").write(str(os.getpid()))
    time.sleep(120)
pulumi.export("size", config.require_int("size"))
pulumi.export("secret", config.get_secret("key"))
"""
PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, StackValidationPolicy


def check(args, report):
    limit = args.get_config()["limit"]
    if any(resource.name.startswith("big") for resource in args.resources) or limit < 1:
        report(f"over the limit of {limit}")


PolicyPack("sizes", policies=[StackValidationPolicy(
    name="limit", description="Nothing is over the limit.", enforcement_level=EnforcementLevel.MANDATORY,
    config_schema=None, validate=check)])
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Pulumi project in a folder of its own, on a lab that runs no daemon."""

    lab: Lab

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.lab.root,
            env={**os.environ, **env.environment(self.lab), **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, **more: str) -> tuple[int, str]:
        process = self.start(*arguments, **more)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project")
    (root / "program").mkdir()
    (root / "program" / "__main__.py").write_text(PROGRAM)
    (root / "Pulumi.yaml").write_text("name: trial\nruntime: python\nmain: program/\n")
    (root / "pack").mkdir()
    (root / "pack" / "__main__.py").write_text(PACK)
    (root / "pack" / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 0.0.1\n")
    lab = up.prepare(root, directory=root / "state")
    stack.ensure(lab, print)
    made = Project(lab=lab)
    assert made.pulumi("config", "set", "size", "3")[0] == 0
    assert made.pulumi("config", "set", "--secret", "key", "hush-hush")[0] == 0
    yield made
    up.down(lab.directory)


def test_the_stack_is_there_without_having_been_made_by_hand(project: Project) -> None:
    assert stack.exists(project.lab)
    assert model.load(project.lab.directory) == project.lab
    code, output = project.pulumi("stack", "ls", "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(output)] == ["lab"]


def test_preview_and_up_run_the_program_with_its_configuration_and_without_warnings(project: Project) -> None:
    code, output = project.pulumi("preview")
    assert code == 0, output
    assert "the program speaks" in output
    assert "warning" not in output
    assert project.pulumi("up", "--yes", "--skip-preview")[0] == 0
    code, output = project.pulumi("stack", "output", "--json")
    assert json.loads(output)["size"] == 3
    assert "hush-hush" not in output
    assert project.pulumi("preview", "--expect-no-changes")[0] == 0


@pytest.mark.parametrize(("do", "expected"), [("fail", "exited with code 3"), ("raise", "ValueError: no such tier")])
def test_a_program_that_fails_fails_the_preview_and_says_why(project: Project, do: str, expected: str) -> None:
    code, output = project.pulumi("preview", "--config", f"trial:do={do}")
    project.pulumi("config", "rm", "do")
    assert code != 0
    assert expected in output


def test_a_mandatory_policy_refuses_at_preview_with_its_own_words(project: Project) -> None:
    settings = project.lab.root / "pack.json"
    settings.write_text(json.dumps({"limit": {"enforcementLevel": "mandatory", "limit": 0}}))
    arguments = ("preview", "--policy-pack", "pack", "--policy-pack-config", str(settings))
    code, output = project.pulumi(*arguments)
    assert code != 0
    assert "over the limit of 0" in output
    settings.write_text(json.dumps({"limit": {"enforcementLevel": "mandatory", "limit": 5}}))
    code, output = project.pulumi(*arguments)
    assert code == 0, output


def program_of(process: subprocess.Popen[str], mark: Path) -> int:
    """Id of the program's process, once the program has noted it in `mark` and waits."""
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return int(mark.read_text())


def ends(process: int) -> bool:
    """Whether the process is gone within ten seconds."""
    for _ in range(100):
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.1)
    return False


def test_an_interrupt_ends_the_program_and_all_plugins(project: Project, tmp_path: Path) -> None:
    mark = tmp_path / "waiting"
    process = project.start("preview", "--config", "trial:do=wait", WAITING=str(mark))
    try:
        program = program_of(process, mark)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert ends(program)
    finally:
        project.pulumi("config", "rm", "do")


def test_an_engine_killed_outright_takes_its_language_host_along(project: Project, tmp_path: Path) -> None:
    mark = tmp_path / "waiting"
    process = project.start("preview", "--config", "trial:do=wait", WAITING=str(mark))
    try:
        program = program_of(process, mark)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert ends(program)
    finally:
        project.pulumi("config", "rm", "do")


def test_a_cli_on_the_path_without_a_host_gets_the_labs(tmp_path: Path) -> None:
    found = engine.ensure(paths.cache_directory(), print)
    assert found.version.startswith("v3.")
    engine.write_programs(found, tmp_path / "bin", tmp_path / "home")
    names = {path.name for path in (tmp_path / "bin").iterdir()}
    assert names == (set() if found.exec_script is None else {"pulumi", engine.HOST, engine.EXEC})
    assert {path.name for path in (tmp_path / "home" / "plugins").iterdir()} == {
        "resource-aws-v7.51.1",
        "resource-libvirt-v0.5.4",
    }
