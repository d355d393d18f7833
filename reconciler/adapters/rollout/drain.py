"""Draining: an instance gets no new requests and finishes those it has, before it goes.

One implementation per kind of balancer. Here: AWS target groups. A VM or instance that no balancer knows has nothing to drain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from reconciler.adapters.world.groups import aws_client
from reconciler.errors import Unavailable
from reconciler.observe.world import LiveMember

#: Seconds that a balancer may take beyond its deregistration delay, and between two looks.
_GRACE, _POLL = 15.0, 1.0
#: AWS's own default and longest delay, in seconds.
_DEFAULT_DELAY, _LONGEST_DELAY = 300.0, 3600.0
#: States of a target that gets no requests any more.
_GONE = frozenset({"unused", ""})


class Drain(Protocol):
    """Takes instances out of their balancer and waits until they have finished."""

    def __call__(self, instances: Sequence[LiveMember]) -> None:
        """Returns when no instance gets requests, or when the time that its balancer allows is over.

        Raises:
            Unavailable: the balancer can't be asked. Nothing may go then.
        """


class TargetGroupDrain:
    """Deregisters instances from the target groups that they are in, and waits for the deregistration delay at most."""

    def __init__(
        self,
        provider: Mapping[str, Any],
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`provider`: provider settings of the stack configuration; `say` gets one line per target group."""
        self._provider, self._say, self._clock, self._sleep = provider, say, clock, sleep

    def __call__(self, instances: Sequence[LiveMember]) -> None:
        """As `Drain`."""
        arns = sorted({arn for one in instances for arn in one.targets})
        if not arns:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client: Any = aws_client("elbv2", self._provider)
            until = self._clock()
            for arn in arns:
                ids = [one.id for one in instances if arn in one.targets]
                self._say(f"drain    {', '.join(ids)} from {arn.rsplit('/', 2)[-2]}")
                client.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": name} for name in ids])
                until = max(until, self._clock() + _delay(client, arn) + _GRACE)
            left = {(arn, one.id) for one in instances for arn in one.targets}
            while left and self._clock() < until:
                left = {pair for pair in left if _state(client, *pair) not in _GONE}
                if left:
                    self._sleep(_POLL)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"Instances could not be drained: {error}") from error


def _delay(client: Any, arn: str) -> float:
    """Deregistration delay of a target group in seconds."""
    attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    said = next((a["Value"] for a in attributes if a["Key"] == "deregistration_delay.timeout_seconds"), "")
    return min(float(said), _LONGEST_DELAY) if said.isdigit() else _DEFAULT_DELAY


def _state(client: Any, arn: str, name: str) -> str:
    found = client.describe_target_health(TargetGroupArn=arn, Targets=[{"Id": name}])["TargetHealthDescriptions"]
    return str(found[0]["TargetHealth"]["State"]) if found else ""
