"""The resource types of the lab's aws plugin: one line each."""

from __future__ import annotations

import dataclasses
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
from lab.plugins.provider import Prepare, Provider
from lab.plugins.resource import Lifecycle, ResourceSpec
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
            account = dataclasses.replace(account, cancelled=cancelled)
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
        prepare=_default_tags,
        replaces=frozenset({"region"}),
    )


def _default_tags(configuration: Properties) -> Prepare:
    """The provider's default tags go into the ``tags`` of every resource that has ``tagsAll``, below its own, at
    check."""
    defaults = (configuration.get("defaultTags") or {}).get("tags") or {}

    def prepare(spec: ResourceSpec, news: Properties) -> Properties:
        own = news.get("tags", {})
        if not defaults or "tagsAll" not in spec.outputs or not isinstance(own, dict):
            return news
        return {**news, "tags": {**defaults, **own}}

    return prepare


def _check(configuration: Properties) -> list[Failure]:
    try:
        connect(configuration)
    except PluginError as error:
        return [Failure(property="", reason=str(error))]
    return []
