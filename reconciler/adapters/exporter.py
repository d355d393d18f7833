"""`/metrics` and `/healthz` of a service over HTTP, in Prometheus's format."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.registry import Collector

from reconciler.errors import UsageError
from reconciler.report.metrics import METRICS, MetricSample, RunFigures, samples
from reconciler.report.service_state import RunEnd, ServiceState, health


class Exporter(Collector):
    """What the service's threads share: its state and the figures of the last run that decided."""

    def __init__(self, state: ServiceState, now: Callable[[], datetime]) -> None:
        self._state, self._now = state, now
        self._figures: RunFigures | None = None
        self._lock = threading.Lock()

    def ended(self, end: RunEnd, missed: int) -> None:
        """A run ended, and so many due times were missed meanwhile."""
        with self._lock:
            self._state = self._state.after(end, missed=missed, at=self._now())

    def decided(self, figures: RunFigures) -> None:
        """A run made its decision."""
        with self._lock:
            self._figures = figures

    def health(self) -> tuple[bool, str]:
        """Whether the service is healthy now, with a sentence."""
        with self._lock:
            return health(self._state, self._now())

    def collect(self) -> Iterable[Metric]:
        """All families with their samples, as the client library asks for them."""
        with self._lock:
            found = samples(self._state, self._figures, self._now())
        by_name: dict[str, list[MetricSample]] = defaultdict(list)
        for sample in found:
            by_name[sample.name].append(sample)
        for family in METRICS:
            # The format's own rule: a counter's family has its name without `_total`.
            metric = Metric(family.name.removesuffix("_total"), family.text, family.kind)
            for sample in by_name[family.name]:
                labels = dict(zip(family.labels, sample.labels, strict=True))
                metric.add_sample(family.name, labels, sample.value)
            yield metric


@contextmanager
def serving(exporter: Exporter, address: str) -> Iterator[str]:
    """Serve an exporter while the block runs; yields the URL of the server.

    Args:
        exporter: what is served.
        address: `HOST:PORT`; port 0 takes a free one.

    Raises:
        UsageError: it is no address, or can't be listened on.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics {address}: expected HOST:PORT, such as 127.0.0.1:9464.")
    try:
        server = make_server(host.strip("[]"), int(port), _application(exporter), _Server, handler_class=_Quiet)
    except OSError as error:
        raise UsageError(
            f"--metrics {address}: the address can't be listened on ({error.strerror or error})."
        ) from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request, so that a slow client delays nobody."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Logs no requests, and drops a client that says nothing."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _application(exporter: Exporter) -> Callable[..., Iterable[bytes]]:
    registry = CollectorRegistry()
    registry.register(exporter)
    metrics = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            found: Iterable[bytes] = metrics(environ, start_response)
            return found
        known = path == "/healthz"
        well, text = exporter.health() if known else (False, "Not found. Known paths: /metrics, /healthz.")
        status = ("200 OK" if well else "503 Service Unavailable") if known else "404 Not Found"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    return application
