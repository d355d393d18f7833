"""The gRPC side of a provider plugin: one servicer for any ``Provider``, and the process that serves it.

Protocol: the engine starts ``pulumi-resource-NAME [engine address]``, reads a port from the first line of stdout
and speaks ``pulumirpc.ResourceProvider`` to it on 127.0.0.1. A plugin whose parent has died ends itself, so that
nothing is left behind.
"""

# ruff: noqa: N802, ARG002 - method names and signatures are the protocol's
from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from lab.plugins import provider as core
from lab.plugins.check import Failure, Naming
from lab.plugins.errors import PartialFailureError, PluginError
from lab.plugins.killing import moments
from lab.plugins.package_schema import package_schema
from lab.plugins.provider import Function, Prepare, Provider
from lab.plugins.resource import Lifecycle, ResourceSpec
from lab.plugins.wire import Decoded, Path, Properties, contains_unknown, decode, encode

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_PARENT_SECONDS = 1.0
_GRACE_SECONDS = 1.0
_Naming = provider_pb2.CheckRequest.AutonamingOptions


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine for one provider."""

    def __init__(self, provider: Provider, *, on_cancel: Callable[[], None] = lambda: None) -> None:
        self._provider = provider
        self._lifecycles: dict[str, Lifecycle] = {}
        self._functions: dict[str, Function] = {}
        self._prepare: Prepare = lambda _spec, news: news
        self._on_cancel = on_cancel

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=False, accept_outputs=False, supports_autonaming_configuration=True
        )

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=package_schema(self._provider))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        news = decode(request.news)
        with _reported(context):
            failures = core.check_configuration(self._provider, news.values)
            return provider_pb2.CheckResponse(inputs=encode(news.values, news.secrets), failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = decode(request.old_inputs or request.olds).values, decode(request.news).values
        changed = sorted(name for name in {*olds, *news} if olds.get(name) != news.get(name) and name != "version")
        replaces = sorted(set(changed) & self._provider.replaces)
        response = provider_pb2.DiffResponse(
            changes=_changes(bool(changed)), diffs=changed, replaces=replaces, hasDetailedDiff=True
        )
        for name in changed:
            kind = "UPDATE_REPLACE" if name in self._provider.replaces else "UPDATE"
            response.detailedDiff[name].kind = getattr(provider_pb2.PropertyDiff, kind)
            response.detailedDiff[name].inputDiff = True
        return response

    def Configure(self, request: Any, context: Any) -> Any:
        values: Properties = decode(request.args).values if request.HasField("args") else dict(request.variables)
        values = {name.rpartition(":")[2]: value for name, value in values.items()}
        with _reported(context):
            known = {name: value for name, value in values.items() if not contains_unknown(value)}
            configuration = core.checked_configuration(self._provider, known)
            self._lifecycles = dict(self._provider.connect(configuration))
            self._functions = dict(self._provider.functions(configuration))
            self._prepare = self._provider.prepare(configuration)
            return provider_pb2.ConfigureResponse(
                acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
            )

    def Check(self, request: Any, context: Any) -> Any:
        with _reported(context):
            olds, news = decode(request.olds), decode(request.news)
            naming = _naming(request)
            spec = self._spec(request)
            wanted = self._prepare(spec, news.values)
            inputs, failures = core.check(spec, olds.values, wanted, naming)
            return provider_pb2.CheckResponse(inputs=encode(inputs, news.secrets), failures=_failures(failures))

    def Diff(self, request: Any, context: Any) -> Any:
        with _reported(context):
            olds, news = decode(request.olds), decode(request.news)
            plan = core.plan(self._spec(request), olds.values, news.values, list(request.ignoreChanges))
            response = provider_pb2.DiffResponse(
                changes=_changes(bool(plan.differences)),
                replaces=plan.replaces,
                diffs=sorted({one.property for one in plan.differences}),
                deleteBeforeReplace=plan.delete_first,
                hasDetailedDiff=True,
            )
            for one in plan.differences:
                kind = f"{one.kind}_REPLACE" if one.replaces else one.kind
                response.detailedDiff[one.path].kind = getattr(provider_pb2.PropertyDiff, kind)
            return response

    def Create(self, request: Any, context: Any) -> Any:
        with _reported(context):
            news = decode(request.properties)
            if request.preview:
                outputs = core.preview_create(self._spec(request), news.values)
                return provider_pb2.CreateResponse(properties=encode(outputs, news.secrets))
            with moments("create", request.urn, context.add_callback):
                created = core.create(self._lifecycle(request), news.values)
            return provider_pb2.CreateResponse(id=created.id, properties=_outputs(created.id, created.outputs, news))

    def Read(self, request: Any, context: Any) -> Any:
        with _reported(context):
            state, inputs = decode(request.properties), decode(request.inputs)
            with moments("read", request.urn, context.add_callback):
                found = core.read(self._lifecycle(request), request.id, state.values, inputs.values)
            if found is None:
                return provider_pb2.ReadResponse()
            new_inputs, outputs = found
            return provider_pb2.ReadResponse(
                id=request.id,
                properties=_outputs(request.id, outputs, state, inputs),
                inputs=encode(new_inputs, inputs.secrets),
            )

    def Update(self, request: Any, context: Any) -> Any:
        with _reported(context):
            olds, news, ignore = decode(request.olds), decode(request.news), list(request.ignoreChanges)
            if request.preview:
                outputs = core.preview_update(self._spec(request), olds.values, news.values, ignore)
            else:
                with moments("update", request.urn, context.add_callback):
                    outputs = core.update(self._lifecycle(request), request.id, olds.values, news.values, ignore)
            return provider_pb2.UpdateResponse(properties=_outputs(request.id, outputs, news))

    def Delete(self, request: Any, context: Any) -> Any:
        with _reported(context):
            with moments("delete", request.urn, context.add_callback):
                self._lifecycle(request).delete(request.id, decode(request.properties).values)
            return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        with _reported(context):
            function = self._functions.get(request.tok)
            if function is None:
                raise PluginError(f"the lab's {self._provider.name} plugin has no function {request.tok}")
            arguments = decode(request.args)
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(encode(function(arguments.values)))
            return response

    def Cancel(self, request: Any, context: Any) -> Any:
        self._on_cancel()
        return empty_pb2.Empty()

    def _spec(self, request: Any) -> ResourceSpec:
        token = _token(request)
        if token not in self._provider.specs:
            known = ", ".join(sorted(self._provider.specs))
            raise PluginError(f"the lab's {self._provider.name} plugin has no resource type {token}; it has {known}")
        return self._provider.specs[token]

    def _lifecycle(self, request: Any) -> Lifecycle:
        self._spec(request)
        if not self._lifecycles:
            raise PluginError(f"provider {self._provider.name} was not configured")
        return self._lifecycles[_token(request)]


class _reported:  # noqa: N801 - reads as a statement: with _reported(context)
    """Turns the plugin's errors into gRPC statuses; a half-made resource keeps its state in the engine."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PartialFailureError):
            _abort_partial(self._context, error)
        if isinstance(error, PluginError):
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _abort_partial(context: Any, error: PartialFailureError) -> NoReturn:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id, properties=encode({**error.outputs, "id": error.id}), reasons=[str(error)]
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise error  # abort raises; this tells the type checker


def _token(request: Any) -> str:
    return str(request.type) or str(request.urn).split("::")[2].rpartition("$")[2]


def _naming(request: Any) -> Naming:
    name = str(request.name) or str(request.urn).rpartition("::")[2]
    if not request.HasField("autonaming"):
        return Naming(resource_name=name, seed=request.randomSeed)
    disabled = request.autonaming.mode == _Naming.DISABLE
    return Naming(resource_name=name, proposed=request.autonaming.proposed_name or None, disabled=disabled)


def _changes(some: bool) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE


def _failures(failures: list[Failure]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=one.property, reason=one.reason) for one in failures]


def _outputs(id: str, outputs: Properties, *sources: Decoded) -> struct_pb2.Struct:
    """Encodes outputs; what was secret in a source is secret here, the whole property where the exact place is
    gone."""
    secrets: set[Path] = set()
    for path in (path for source in sources for path in source.secrets):
        secrets.add(path if _exists(outputs, path) else path[:1])
    return encode({**outputs, "id": id}, secrets)


def _exists(value: Any, path: Path) -> bool:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def serve(provider: Provider, *, on_cancel: Callable[[], None] = lambda: None) -> int:
    """Serves until the engine ends the process or dies. Prints the port first; returns the exit status."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider, on_cancel=on_cancel), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stop = threading.Event()
    # The engine ends a plugin with SIGINT to the plugin's own process group, so a terminal's Ctrl-C doesn't come
    # here; it
    # kills what hasn't gone 5 s later, and then calls the next plugin's end premature.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: stop.set())
    parent = os.getppid()
    while not stop.wait(_PARENT_SECONDS):
        if os.getppid() != parent:
            break
    on_cancel()
    server.stop(grace=_GRACE_SECONDS).wait()
    return 0
