"""The connection to AWS: clients for the configured endpoints, bounded retries, and errors in the real provider's
words.

Nothing leaves for an endpoint that wasn't configured: this plugin is the lab's, and must not find the real AWS by
default.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import botocore.config
import botocore.exceptions
from botocore.model import Shape
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from lab.plugins.errors import PluginError, UnreachableError

THROTTLING: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "SlowDown",
        "EC2ThrottledException",
    }
)
"""Error codes that the AWS SDK for Go, and so the real provider, repeats."""

_DEFAULT_ATTEMPTS: Final = 25  # the real provider's max_retries
_CONNECT_ATTEMPTS: Final = 3  # a lab endpoint that is down stays down: say so soon
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "elbv2": ("elbv2", "elasticloadbalancingv2", "alb"),
    "autoscaling": ("autoscaling",),
    "ec2": ("ec2",),
    "sts": ("sts",),
}
_TITLES: Final = {"autoscaling": "Auto Scaling", "ec2": "EC2", "elbv2": "Elastic Load Balancing v2", "sts": "STS"}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How waiting is done; tests replace it. Seconds."""

    retry_first: float = 0.25
    retry_most: float = 20.0
    poll: float = 0.5
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One configured account and region. Thread-safe; clients are made on first use."""

    region: str
    endpoints: Mapping[str, str]
    """Service (boto3's name) → URL."""
    access_key: str
    secret_key: str
    token: str = ""
    attempts: int = _DEFAULT_ATTEMPTS
    default_tags: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = Pace()
    cancelled: threading.Event = field(default_factory=threading.Event)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def client(self, service: str, region: str | None = None) -> Any:
        """Returns the boto3 client of a service. Raises PluginError where no endpoint is configured for it."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._open(*key)
            return self._clients[key]

    def shape(self, service: str, name: str) -> Shape:
        """Returns the model of an operation's input, or of a named shape."""
        model = self.client(service).meta.service_model
        shape: Shape = (
            model.operation_model(name).input_shape if name in model.operation_names else model.shape_for(name)
        )
        return shape

    def call(
        self, doing: str, service: str, operation: str, region: str | None = None, **request: Any
    ) -> dict[str, Any]:
        """Calls an operation, repeating throttled calls. ``doing`` starts the message of a failure."""
        client = self.client(service, region)
        method = getattr(client, boto3.session.botocore.xform_name(operation))  # type: ignore[attr-defined]
        try:
            return dict(self._retrying()(method, **request))
        except botocore.exceptions.ClientError as error:
            raise _refused(doing, service, operation, error) from error
        except botocore.exceptions.ParamValidationError as error:
            details = str(error).replace("\n", " ")
            raise PluginError(f"{doing}: the request {operation} is not valid: {details}") from error
        except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError) as error:
            url = self._url(service)
            raise UnreachableError(
                f"{doing}: the AWS endpoint {url} for {service} does not answer ({error})"
            ) from error

    def pages(
        self, doing: str, service: str, operation: str, result: str, region: str | None = None, **request: Any
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

    def _open(self, service: str, region: str) -> Any:
        # Retries are ours (see call): botocore would repeat on its own, unseen and unbounded by maxRetries.
        config = botocore.config.Config(
            region_name=region,
            retries={"total_max_attempts": 1},
            connect_timeout=10,
            read_timeout=60,
            parameter_validation=True,
        )
        open_client: Any = boto3.session.Session().client  # the stubs want the service as a literal
        return open_client(
            service,
            config=config,
            endpoint_url=self._url(service),
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.token or None,
        )

    def _url(self, service: str) -> str:
        url = self.endpoints.get(service)
        if not url:
            raise PluginError(
                f"no endpoint is configured for the AWS service {service}: the lab's aws plugin calls configured "
                f"endpoints only; set it in the provider's `endpoints` (or AWS_ENDPOINT_URL)"
            )
        return url

    def _retrying(self) -> Retrying:
        def retryable(error: BaseException) -> bool:
            return not self.cancelled.is_set() and _is_transient(error)

        def stop(state: Any) -> bool:
            limit = self.attempts if _is_throttled(state.outcome.exception()) else min(self.attempts, _CONNECT_ATTEMPTS)
            return stop_after_attempt(max(1, limit))(state)

        return Retrying(
            retry=retry_if_exception(retryable),
            stop=stop,
            wait=wait_exponential_jitter(
                initial=self.pace.retry_first, max=self.pace.retry_most, jitter=self.pace.retry_first
            ),
            sleep=self.pace.sleep,
            reraise=True,
        )


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
        default_tags=(configuration.get("defaultTags") or {}).get("tags") or {},
    )


def _endpoints(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    configured = {name: url for block in configuration.get("endpoints") or [] for name, url in block.items() if url}
    found = {}
    for service, aliases in _ALIASES.items():
        variable = f"AWS_ENDPOINT_URL_{aliases[-2 if len(aliases) > 1 else 0].upper()}"
        candidates = [configured.get(alias) for alias in aliases]
        url = next((url for url in candidates if url), environment.get(variable) or environment.get("AWS_ENDPOINT_URL"))
        if url:
            found[service] = str(url)
    return found


def _is_throttled(error: BaseException | None) -> bool:
    return isinstance(error, botocore.exceptions.ClientError) and error.response["Error"].get("Code") in THROTTLING


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, botocore.exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _is_throttled(error) or status in (500, 502, 503, 504)
    return isinstance(error, botocore.exceptions.ConnectionError | botocore.exceptions.HTTPClientError)


def _refused(doing: str, service: str, operation: str, error: botocore.exceptions.ClientError) -> PluginError:
    code = str(error.response["Error"].get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status, request = metadata.get("HTTPStatusCode", 0), metadata.get("RequestId", "")
    message = (
        f"{doing}: operation error {_TITLES.get(service, service)}: {operation}, "
        f"https response error StatusCode: {status}, RequestID: {request}, "
        f"api error {code}: {error.response['Error'].get('Message', '')}"
    )
    return PluginError(message, code=code, retryable=code in THROTTLING)
