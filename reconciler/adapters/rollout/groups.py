"""Sizes of auto scaling groups, and the end of single instances, by AWS's API. Requests are repeated as for reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.adapters.world.groups import aws_client
from reconciler.errors import Unavailable


class GroupSizes:
    """The groups of one account and region."""

    def __init__(self, provider: Mapping[str, Any]) -> None:
        """`provider`: provider settings of the stack configuration (`aws:region`, `aws:endpoints`, …)."""
        self._provider = provider

    def resize(self, group: str, *, min: int | None = None, desired: int | None = None, max: int | None = None) -> None:
        """Set what is given of a group's sizes. Raises Unavailable: AWS refuses or does not answer."""
        named = {"MinSize": min, "DesiredCapacity": desired, "MaxSize": max}
        given = {key: value for key, value in named.items() if value is not None}
        self._call(lambda client: client.update_auto_scaling_group(AutoScalingGroupName=group, **given))

    def end(self, instance: str) -> None:
        """Terminate an instance and lower its group's desired size by one. Raises Unavailable as `resize`."""
        self._call(
            lambda client: client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=True
            )
        )

    def _call(self, ask: Callable[[Any], object]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            ask(aws_client("autoscaling", self._provider))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"A group could not be changed: {error}") from error
