"""The language host's own rules: which Python runs, what it reports, how children are streamed and ended."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from lab import paths
from lab.host import python
from lab.host.children import Children
from lab.host.server import Host

ROOT = paths.repository_root()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """A served host whose start script echoes what it got; the stub to call it."""
    script = tmp_path / "exec.py"
    script.write_text(
        "import os, sys\nprint(sys.argv[1:])\nprint(os.environ['PULUMI_CONFIG'], file=sys.stderr)\n"
        "codes = {'leave': 32, 'fail': 3}\n"
        "sys.exit(max((code for word, code in codes.items() if word in os.environ['PULUMI_CONFIG']), default=0))\n"
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host("127.0.0.1:1", Children(), script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield language_pb2_grpc.LanguageRuntimeStub(channel)
    server.stop(None)


def info(folder: Path, **options: str) -> Any:
    given = struct_pb2.Struct()
    given.update(options)
    return language_pb2.ProgramInfo(
        root_directory=str(folder), program_directory=str(folder), entry_point=".", options=given
    )


def test_a_program_gets_its_arguments_and_configuration_and_ends_well(
    host: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = host.Run(
        language_pb2.RunRequest(
            project="p",
            stack="lab",
            pwd=str(tmp_path),
            dryRun=True,
            parallel=7,
            monitor_address="127.0.0.1:2",
            organization="o",
            config={"p:size": "3"},
            info=info(tmp_path),
        )
    )
    assert (answer.error, answer.bail) == ("", False)
    out, err = capfd.readouterr()
    for pair in ("'--monitor', '127.0.0.1:2'", "'--engine', '127.0.0.1:1'", "'--dry_run', 'true'", "'--parallel', '7'"):
        assert pair in out
    assert '"p:size": "3"' in err


@pytest.mark.parametrize(
    ("word", "error", "bail"), [("fail", "The Python program exited with code 3.", False), ("leave", "", True)]
)
def test_a_program_that_fails_says_so_once(host: Any, tmp_path: Path, word: str, error: str, bail: bool) -> None:
    answer = host.Run(language_pb2.RunRequest(pwd=str(tmp_path), config={"p:do": word}, info=info(tmp_path)))
    assert (answer.error, answer.bail) == (error, bail)


def test_a_virtualenv_that_is_not_there_is_named(host: Any, tmp_path: Path) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        host.About(language_pb2.AboutRequest(info=info(tmp_path, virtualenv="venv-of-mine")))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "venv-of-mine" in caught.value.details()


def test_the_virtualenv_of_the_project_file_is_used(host: Any) -> None:
    answer = host.About(language_pb2.AboutRequest(info=info(ROOT, virtualenv=".venv")))
    assert answer.executable == str(ROOT / ".venv" / "bin" / "python")
    assert answer.version.startswith("3.")


def test_the_providers_are_those_whose_sdks_are_installed(host: Any) -> None:
    answer = host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info(ROOT)))
    assert {(p.name, p.version, p.kind) for p in answer.packages} >= {
        ("aws", "v7.51.1", "resource"),
        ("libvirt", "v0.5.4", "resource"),
    }


def test_installed_packages_are_reported_as_dependencies(host: Any) -> None:
    answer = host.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest(info=info(ROOT)))
    assert "pulumi" in {dependency.name for dependency in answer.dependencies}


def test_a_plugin_is_run_with_its_environment_and_its_output_is_passed_on(host: Any, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import os, sys\nprint(sys.argv[1], os.environ['COLOUR'])\nprint('oops', file=sys.stderr)\nsys.exit(4)\n"
    )
    answers = host.RunPlugin(
        language_pb2.RunPluginRequest(
            pwd=str(tmp_path), args=["127.0.0.1:9"], env=["COLOUR=green=blue"], kind="resource", info=info(tmp_path)
        )
    )
    seen: dict[str, Any] = {"stdout": b"", "stderr": b""}
    for answer in answers:
        kind = answer.WhichOneof("output")
        seen[kind] = seen.get(kind, b"") + getattr(answer, kind) if kind != "exitcode" else answer.exitcode
    assert seen == {"stdout": b"127.0.0.1:9 green=blue\n", "stderr": b"oops\n", "exitcode": 4}


def test_cancel_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    children = Children()
    started = threading.Event()
    events: list[Any] = []

    def run() -> None:
        command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
        for event in children.run(command, directory=tmp_path, environment=dict(os.environ)):
            events.append(event)
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30)
    before = time.monotonic()
    children.cancel()
    thread.join(10)
    assert time.monotonic() - before < 10
    assert events[-1] == -15
    assert list(children.run(["true"], directory=tmp_path, environment={})) == [1]


def test_cancel_is_answered(host: Any) -> None:
    host.Cancel(empty_pb2.Empty())


def test_the_interpreter_is_first_on_the_path_as_in_an_activated_virtualenv() -> None:
    executable = ROOT / ".venv" / "bin" / "python"
    changed = python.environment(executable, {"PATH": "/usr/bin", "PYTHONHOME": "/x", "HOME": "/h"})
    assert changed["PATH"] == f"{executable.parent}:/usr/bin"
    assert changed["VIRTUAL_ENV"] == str(ROOT / ".venv")
    assert "PYTHONHOME" not in changed
    assert changed["HOME"] == "/h"
