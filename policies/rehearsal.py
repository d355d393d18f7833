"""Run the real program without an engine or a cloud, and collect the resources that it declares.

`tiercast policy test` and the tests use it. The rules judge the inputs that the program would send to the engine. IDs and
names that only a cloud can assign are placeholders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pulumi.runtime import mocks, rpc, stack

from policies.resources import TEMPLATE, Resource
from stacks.contract import StackConfig
from stacks.program import declare

#: Version of a launch template in a stack of which nothing exists yet.
_FIRST = 1


class _Placeholders(mocks.Mocks):
    """The outputs that the program reads."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """The inputs, with the values that a provider would add."""
        computed: dict[str, Any] = {"name": args.inputs.get("name", args.name)}
        if args.typ == TEMPLATE:
            computed["latestVersion"] = _FIRST
        if args.typ.startswith("aws:lb/"):
            computed |= {"arn": f"arn:aws:elasticloadbalancing:::{args.name}", "dnsName": f"{args.name}.example"}
        return args.name, {**args.inputs, **computed}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:  # noqa: ARG002
        """The program calls no function of a provider."""
        return {}, None


class _Recorder(mocks.MockMonitor):
    """Keeps every registration with its options, under the URN that the engine would give it."""

    def __init__(self, project: str, stack_name: str, provider_config: Mapping[str, Any]) -> None:
        super().__init__(_Placeholders())
        self.prefix = f"urn:pulumi:{stack_name}::{project}"
        self.provider_config = provider_config
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.seen: dict[str, Resource] = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Unlike the mock's own method, it includes the types of all parent components."""
        above = parent.split("::")[2] if parent else ""
        chain = f"{above}${type_}" if above and not above.startswith("pulumi:pulumi:Stack") else type_
        return f"{self.prefix}::{chain}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the name of the RPC)
        """Record, then answer as a provider would in an update."""
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            # Registrations run on threads. The mock opens a loop for each thread and closes none.
            self.loops.add(asyncio.get_event_loop_policy().get_event_loop())
            provider = self.seen.get(request.provider.rpartition("::")[0])
            package = request.type.partition(":")[0]
            self.seen[response.urn] = Resource(
                urn=response.urn,
                type=request.type,
                name=request.name,
                inputs=_unwrapped(rpc.deserialize_properties(request.object, True)),
                ignored=frozenset(request.ignoreChanges),
                newest=str(_FIRST) if request.type == TEMPLATE else "",
                provider_name=provider.name if provider is not None else "default",
                provider=provider.inputs if provider is not None else self._default_provider(package),
                depends={key: tuple(found.urns) for key, found in request.propertyDependencies.items()},
            )
        return response

    def _default_provider(self, package: str) -> dict[str, Any]:
        prefix = f"{package}:"
        return {k.removeprefix(prefix): v for k, v in self.provider_config.items() if k.startswith(prefix)}


def rehearse(
    config: StackConfig,
    *,
    project: str,
    stack_name: str,
    secret_keys: Collection[str] = (),
    provider_config: Mapping[str, Any] | None = None,
    program: Callable[..., dict[str, Any]] = declare,
) -> tuple[Resource, ...]:
    """Resources that the program declares for a configuration, by URN.

    `provider_config` holds values such as `aws:region`; `program` is replaced by tests that tamper with it.
    """
    recorder = _Recorder(project, stack_name, provider_config or {})

    def run() -> None:
        program(config, project=project, stack=stack_name, secret_keys=secret_keys)

    loop = asyncio.new_event_loop()
    try:
        # An output binds to the loop that is set when it is created. `set_mocks` creates the root's outputs.
        asyncio.set_event_loop(loop)
        mocks.set_mocks(recorder.mocks, project=project, stack=stack_name, monitor=recorder)
        loop.run_until_complete(stack.run_pulumi_func(run))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        for opened in {loop, *recorder.loops}:
            opened.close()
    return tuple(recorder.seen[urn] for urn in sorted(recorder.seen))


def _unwrapped(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _unwrapped(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _unwrapped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_unwrapped(one) for one in value]
    return value
