"""The resource types of the lab's aws plugin: one line each."""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab.plugins.aws.capacity_reservation import CapacityReservations
from lab.plugins.aws.cloud import Cloud, connect
from lab.plugins.aws.functions import functions
from lab.plugins.aws.group import Groups
from lab.plugins.aws.launch_template import LaunchTemplates
from lab.plugins.aws.listener import Listeners
from lab.plugins.aws.listener_rule import ListenerRules
from lab.plugins.aws.load_balancer import LoadBalancers
from lab.plugins.aws.policy import Policies
from lab.plugins.aws.schedule import Schedules
from lab.plugins.aws.target_group import TargetGroups
from lab.plugins.check import Failure
from lab.plugins.errors import PluginError
from lab.plugins.provider import Provider
from lab.plugins.resource import Lifecycle
from lab.plugins.wire import Properties

TYPES: Final[tuple[Callable[..., Lifecycle], ...]] = (
    CapacityReservations,
    Groups,
    LaunchTemplates,
    ListenerRules,
    Listeners,
    LoadBalancers,
    Policies,
    Schedules,
    TargetGroups,
)


def provider(
    cancelled: threading.Event | None = None, cloud: Callable[[Mapping[str, Any]], Cloud] = connect
) -> Provider:
    """Returns the provider. ``cancelled`` ends its waits; tests pass their own ``cloud``."""

    def lifecycles(configuration: Properties) -> Mapping[str, Lifecycle]:
        account = cloud(configuration)
        if cancelled is not None:
            account = _with_event(account, cancelled)
        made = [kind(cloud=account) for kind in TYPES]
        return {one.spec.token: one for one in made}

    return Provider(
        name="aws",
        version=importlib.metadata.version("pulumi-aws"),
        sdk="pulumi_aws.Provider",
        connect=lifecycles,
        specs={kind.spec.token: kind.spec for kind in TYPES},  # type: ignore[attr-defined]
        functions=lambda configuration: functions(cloud(configuration)),
        check=_check,
        replaces=frozenset({"region"}),
    )


def _check(configuration: Properties) -> list[Failure]:
    try:
        connect(configuration)
    except PluginError as error:
        return [Failure(property="", reason=str(error))]
    return []


def _with_event(cloud: Cloud, cancelled: threading.Event) -> Cloud:
    from dataclasses import replace

    return replace(cloud, cancelled=cancelled)
