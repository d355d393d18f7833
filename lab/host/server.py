"""The calls of `pulumirpc.LanguageRuntime`, answered for Python programs and policy packs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import LanguageRuntimeServicer, language_pb2, plugin_pb2

from lab.host import python
from lab.host.children import Children, Stream

#: A program that ends with this code has already told its user what is wrong.
BAIL = 32
EXEC = "pulumi-language-python-exec"


class Host(LanguageRuntimeServicer):  # type: ignore[misc]
    """One engine's language host. `engine` is the address of the engine's log service."""

    def __init__(self, engine: str, children: Children, exec_script: Path) -> None:
        self.engine = engine
        self.children = children
        self.exec_script = exec_script

    def Handshake(self, request: Any, _context: object) -> Any:  # noqa: N802
        """The engine introduces itself."""
        self.engine = request.engine_address or self.engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: object, _context: object) -> Any:  # noqa: N802
        """The host's version."""
        return plugin_pb2.PluginInfo(version=python.own_version())

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The Python in use, for `pulumi about`."""
        executable = _interpreter(request.info, context)
        done = subprocess.run([executable, "-V"], capture_output=True, text=True, check=False, timeout=60)
        version = done.stdout.strip().removeprefix("Python ")
        return language_pb2.AboutResponse(executable=str(executable), version=version)

    def GetRequiredPlugins(self, _request: object, _context: object) -> Any:  # noqa: N802
        """Superseded by GetRequiredPackages."""
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The providers whose SDKs are installed for the program."""
        return language_pb2.GetRequiredPackagesResponse(
            packages=[
                plugin_pb2.PackageDependency(
                    name=str(plugin["name"]),
                    kind="resource",
                    version=f"v{str(plugin['version']).removeprefix('v')}",
                    server=str(plugin.get("server") or ""),
                )
                for plugin in python.providers(_interpreter(request.info, context))
            ]
        )

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What is installed for the program."""
        found = python.packages(_interpreter(request.info, context))
        dependencies = [language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    def RuntimeOptionsPrompts(self, _request: object, _context: object) -> Any:  # noqa: N802
        """Nothing is asked: the project file says which virtualenv to use."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Nothing is installed from here: the virtualenv comes from the lock file. Refuses where it is not there."""
        _interpreter(request.info, context)
        text = "The virtualenv is kept by the project's lock file (`make setup`); nothing to install.\n"
        yield language_pb2.InstallDependenciesResponse(stdout=text.encode())

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Run the program to its end; its output is passed on as it comes."""
        executable = _interpreter(request.info, context)
        # Deprecated fields still come from older engines, `info` from newer ones.
        program = request.info.entry_point or request.program or "."
        where = Path(request.info.program_directory or request.pwd or ".")
        arguments = {
            "monitor": request.monitor_address,
            "engine": self.engine,
            "project": request.project,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "organization": request.organization,
            "root_directory": request.info.root_directory,
        }
        command = [str(executable), "-u", str(self.exec_script)]
        command += [part for name, value in arguments.items() if value for part in (f"--{name}", value)]
        command += [program, *request.args]
        settings = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        environment = python.environment(executable, {**os.environ, **settings})
        code = 1
        for event in self.children.run(command, directory=where, environment=environment):
            if isinstance(event, int):
                code = event
            else:
                _pass_on(*event)
        if code == 0:
            return language_pb2.RunResponse()
        if code == BAIL:
            return language_pb2.RunResponse(bail=True)
        ended = f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
        return language_pb2.RunResponse(error=f"The Python program {ended}.")

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Run a policy pack (or another plugin in Python) and pass its output on until it ends."""
        executable = _interpreter(request.info, context)
        folder = request.info.program_directory or request.program
        if request.kind == "analyzer":
            command = [str(executable), "-u", "-m", "pulumi.policy", *request.args, folder]
        else:
            command = [str(executable), "-u", folder, *request.args]
        given = dict(pair.partition("=")[::2] for pair in request.env) or dict(os.environ)
        environment = python.environment(executable, given)

        def end_with_call(process: subprocess.Popen[bytes]) -> None:
            # The engine drops the call when it needs the plugin no longer.
            context.add_callback(process.terminate)

        where = Path(folder if request.kind == "analyzer" else request.pwd)
        for event in self.children.run(command, directory=where, environment=environment, started=end_with_call):
            if isinstance(event, int):
                yield language_pb2.RunPluginResponse(exitcode=event)
            else:
                stream, data = event
                response = language_pb2.RunPluginResponse
                yield response(stdout=data) if stream == "stdout" else response(stderr=data)

    def Cancel(self, _request: object, _context: object) -> Any:  # noqa: N802
        """The engine gives up: end the program and the packs."""
        self.children.cancel()
        return empty_pb2.Empty()


def _pass_on(stream: Stream, data: bytes) -> None:
    """Put the program's output on our own: the engine reads it there and shows it as information."""
    own = sys.stdout if stream == "stdout" else sys.stderr
    own.buffer.write(data)
    own.buffer.flush()


def _interpreter(info: Any, context: grpc.ServicerContext) -> Path:
    """The program's Python; ends the call with FAILED_PRECONDITION where there is none."""
    options = json_format.MessageToDict(info.options)
    try:
        return python.interpreter(Path(info.root_directory or "."), options)
    except python.NoPythonError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        raise
