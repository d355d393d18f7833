"""Calls AWS through boto3: one client per service and region, bounded retries, errors in the real provider's words."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore
import botocore.config
import botocore.exceptions
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from lab.plugins.errors import PluginError, UnreachableError

if TYPE_CHECKING:
    from botocore.model import Shape

    from lab.plugins.aws.cloud import Cloud

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

_CONNECT_ATTEMPTS: Final = 3  # a lab endpoint that is down stays down: say so soon
_SERVER_ERRORS: Final = (500, 502, 503, 504)
_TITLES: Final = {"autoscaling": "Auto Scaling", "ec2": "EC2", "elbv2": "Elastic Load Balancing v2", "sts": "STS"}


class Api:
    """The calls of one account. Thread-safe; clients are made on first use."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """Returns the boto3 client of a service. Raises PluginError where no endpoint is configured for it."""
        key = (service, region or self._cloud.region)
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
        self, doing: str, service: str, operation: str, region: str | None, request: dict[str, Any]
    ) -> dict[str, Any]:
        """Calls an operation, repeating what is throttled. ``doing`` starts the message of a failure."""
        method = getattr(self.client(service, region), botocore.xform_name(operation))
        try:
            return dict(self._retrying()(method, **request))
        except botocore.exceptions.ClientError as error:
            raise _refused(doing, service, operation, error) from error
        except botocore.exceptions.ParamValidationError as error:
            details = str(error).replace("\n", " ")
            raise PluginError(f"{doing}: the request {operation} is not valid: {details}") from error
        except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError) as error:
            url = self._cloud.url(service)
            raise UnreachableError(
                f"{doing}: the AWS endpoint {url} for {service} does not answer ({error})"
            ) from error

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
            endpoint_url=self._cloud.url(service),
            aws_access_key_id=self._cloud.access_key,
            aws_secret_access_key=self._cloud.secret_key,
            aws_session_token=self._cloud.token or None,
        )

    def _retrying(self) -> Retrying:
        pace, cancelled, attempts = self._cloud.pace, self._cloud.cancelled, self._cloud.attempts

        def retryable(error: BaseException) -> bool:
            return not cancelled.is_set() and _is_transient(error)

        def stop(state: Any) -> bool:
            # What AWS answers is repeated as often as the provider says; an endpoint that does not answer, less often.
            answered = isinstance(state.outcome.exception(), botocore.exceptions.ClientError)
            limit = attempts if answered else min(attempts, _CONNECT_ATTEMPTS)
            return stop_after_attempt(max(1, limit))(state)

        return Retrying(
            retry=retry_if_exception(retryable),
            stop=stop,
            wait=wait_random_exponential(multiplier=pace.retry_first, max=pace.retry_most),
            sleep=pace.sleep,
            reraise=True,
        )


def _is_throttled(error: BaseException | None) -> bool:
    return (
        isinstance(error, botocore.exceptions.ClientError) and error.response.get("Error", {}).get("Code") in THROTTLING
    )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, botocore.exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _is_throttled(error) or status in _SERVER_ERRORS
    return isinstance(error, botocore.exceptions.ConnectionError | botocore.exceptions.HTTPClientError)


def _refused(doing: str, service: str, operation: str, error: botocore.exceptions.ClientError) -> PluginError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status, request = metadata.get("HTTPStatusCode", 0), metadata.get("RequestId", "")
    message = (
        f"{doing}: operation error {_TITLES.get(service, service)}: {operation}, "
        f"https response error StatusCode: {status}, RequestID: {request}, "
        f"api error {code}: {error.response['Error'].get('Message', '')}"
    )
    return PluginError(message, code=code)
