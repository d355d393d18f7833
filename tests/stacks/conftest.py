"""Runs the program under Pulumi's mocks and hands back the resource inputs that the engine would be sent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, stack

sys.path.insert(0, str(Path(__file__).parent))

from stacks.contract import StackConfig
from stacks.program import declare


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One resource as the program declared it."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str
    parent: str
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    secrets: frozenset[str]


class Recorder(mocks.MockMonitor):
    """Mock monitor that keeps the whole registration request, options included."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.seen: list[Declared] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the name of the RPC)
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)
        inputs = pulumi.runtime.rpc.deserialize_properties(request.object, True)
        self.seen.append(
            Declared(
                type=request.type,
                name=request.name,
                inputs={key: _plain(value) for key, value in inputs.items()},
                provider=request.provider,
                parent=request.parent.rsplit("::", 1)[-1],
                ignore_changes=tuple(request.ignoreChanges),
                delete_before_replace=request.deleteBeforeReplace,
                secrets=frozenset(key for key, value in inputs.items() if pulumi.runtime.rpc.is_rpc_secret(value)),
            )
        )
        response = super().RegisterResource(request)
        # The mock opens a loop on each thread that registers, and closes none.
        self.loops.add(asyncio.get_event_loop_policy().get_event_loop())
        return response


class _Echo(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        computed: dict[str, Any] = {"name": args.inputs.get("name", f"{args.name}-1a2b3c4")}
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            computed["latestVersion"] = 1
        if args.typ.startswith("aws:lb/"):
            computed |= {"arn": f"arn:{args.name}", "dnsName": f"{args.name}.example"}
        if args.typ == "libvirt:index/domain:Domain":
            given = args.inputs.get("networkInterfaces") or []
            computed["networkInterfaces"] = [{**one, "addresses": ["192.0.2.7"]} for one in given]
        return f"{args.name}-id", {**args.inputs, **computed}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


def _plain(value: Any) -> Any:
    return value["value"] if pulumi.runtime.rpc.is_rpc_secret(value) else value


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a run of the program declared, and its resolved outputs."""

    resources: list[Declared]
    outputs: dict[str, Any]

    def of(self, kind: str) -> list[Declared]:
        """Resources whose type ends so, by name."""
        return sorted((r for r in self.resources if r.type.endswith(kind)), key=lambda r: r.name)

    def named(self, kind: str, name: str) -> Declared:
        """The one resource of that type and name."""
        (found,) = [r for r in self.of(kind) if r.name == name]
        return found

    def sent(self) -> list[tuple[str, str, str]]:
        """What a provider would compare: type, name, inputs."""
        return sorted((r.type, r.name, repr(sorted(r.inputs.items()))) for r in self.resources)


@pytest.fixture
def run_program() -> Callable[..., Run]:
    """A function from a configuration to what the program declares for it."""

    def run(config: StackConfig, **options: Any) -> Run:
        recorder = Recorder()
        kept: dict[str, Any] = {}

        def program() -> None:
            outputs = declare(config, project="tiercast", stack="test", **options)
            pulumi.Output.from_input(outputs).apply(kept.update)

        loop = asyncio.new_event_loop()
        try:
            asyncio.set_event_loop(loop)
            mocks.set_mocks(_Echo(), project="tiercast", stack="test", monitor=recorder)
            loop.run_until_complete(stack.run_pulumi_func(program))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            for opened in {loop, *recorder.loops}:
                opened.close()
        return Run(resources=recorder.seen, outputs=kept)

    return run
