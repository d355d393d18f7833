"""A configured AWS account and region, and how its services are called and waited for.

Nothing leaves for an endpoint that wasn't configured: this plugin is the lab's, and must not find the real AWS by
default. boto3 is loaded at the first call: a preview that reads nothing does without.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lab.plugins.errors import PluginError

if TYPE_CHECKING:
    from botocore.model import Shape

    from lab.plugins.aws.api import Api

_DEFAULT_ATTEMPTS: Final = 25  # the real provider's max_retries
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "autoscaling": ("autoscaling",),
    "ec2": ("ec2",),
    "elbv2": ("elbv2", "elasticloadbalancingv2", "alb"),
    "sts": ("sts",),
}
"""Service (boto3's name) → the names that the provider's `endpoints` may give it."""


@dataclass(frozen=True, kw_only=True)
class PollPace:
    """How waiting is done; tests replace it. Seconds."""

    retry_first: float = 0.25
    retry_most: float = 20.0
    poll: float = 0.5
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One configured account and region."""

    region: str
    endpoints: Mapping[str, str]
    """Service (boto3's name) → URL."""
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    attempts: int = _DEFAULT_ATTEMPTS
    pace: PollPace = PollPace()
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    @cached_property
    def api(self) -> Api:
        """boto3 for this account."""
        from lab.plugins.aws.api import Api  # loads boto3

        return Api(self)

    def url(self, service: str) -> str:
        """Returns the endpoint of a service. Raises PluginError where none is configured."""
        url = self.endpoints.get(service)
        if not url:
            raise PluginError(
                f"no endpoint is configured for the AWS service {service}: the lab's aws plugin calls configured "
                f"endpoints only; set it in the provider's `endpoints` (or AWS_ENDPOINT_URL)"
            )
        return url

    def shape(self, service: str, name: str) -> Shape:
        """Returns the model of an operation's input, or of a named shape."""
        return self.api.shape(service, name)

    def call(
        self, doing: str, service: str, operation: str, region: str | None = None, /, **request: Any
    ) -> dict[str, Any]:
        """Calls an operation and returns its response. ``doing`` starts the message of the PluginError of a
        failure."""
        return self.api.call(doing, service, operation, region, request)

    def pages(
        self, doing: str, service: str, operation: str, result: str, region: str | None = None, /, **request: Any
    ) -> list[Any]:
        """Calls a paged operation and returns the items of member ``result`` of all pages."""
        items: list[Any] = []
        token: dict[str, Any] = {}
        while True:
            page = self.call(doing, service, operation, region, **request, **token)
            items += page.get(result) or []
            name = next((name for name in ("NextToken", "NextMarker") if page.get(name)), None)
            if name is None:
                return items
            token = {"Marker" if name == "NextMarker" else "NextToken": page[name]}

    def wait(self, seconds: float) -> None:
        """Waits, or raises PluginError when the engine has cancelled the operation."""
        if self.cancelled.is_set():
            raise PluginError("the operation was cancelled")
        self.pace.sleep(seconds)


def connect(configuration: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Cloud:
    """Returns the cloud of a checked provider configuration. Raises PluginError for a missing region or
    credentials."""
    region = configuration.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise PluginError(
            "Missing region configuration. Make sure you have set your AWS region, e.g. `pulumi config set aws:region`"
        )
    access = configuration.get("accessKey") or environment.get("AWS_ACCESS_KEY_ID")
    secret = configuration.get("secretKey") or environment.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        raise PluginError("No valid credential sources found. Please set the provider's accessKey and secretKey")
    return Cloud(
        region=str(region),
        endpoints=_endpoints(configuration, environment),
        access_key=access,
        secret_key=secret,
        token=configuration.get("token") or environment.get("AWS_SESSION_TOKEN", ""),
        attempts=int(configuration.get("maxRetries") or _DEFAULT_ATTEMPTS),
    )


def _endpoints(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    configured = {name: url for block in configuration.get("endpoints") or [] for name, url in block.items() if url}
    found = {}
    for service, aliases in _ALIASES.items():
        # The AWS SDKs' own variables name a service by its id, with underscores.
        ids = {"elbv2": "ELASTIC_LOAD_BALANCING_V2", "autoscaling": "AUTO_SCALING"}
        variable = f"AWS_ENDPOINT_URL_{ids.get(service, service.upper())}"
        general = environment.get(variable) or environment.get("AWS_ENDPOINT_URL")
        url = next((configured[alias] for alias in aliases if alias in configured), general)
        if url:
            found[service] = str(url)
    return found
