"""Resources as policies see them: plain inputs by URN, with unknown values marked.

`Unknown` values occur only in a preview. A policy that needs one must refuse (`Undecidable`), never pass: Pulumi would
turn the refusal of even a mandatory policy into advice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from stacks.contract_base import Tier

DOMAIN: Final = "libvirt:index/domain:Domain"
GROUP: Final = "aws:autoscaling/group:Group"
GROUP_POLICY: Final = "aws:autoscaling/policy:Policy"
SCHEDULE: Final = "aws:autoscaling/schedule:Schedule"
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
RESERVATION: Final = "aws:ec2/capacityReservation:CapacityReservation"
BALANCERS: Final = frozenset({"aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer"})

#: Types that a policy can count, or that are free. A resource of any other type has no price and is refused.
COUNTED: Final = frozenset({DOMAIN, GROUP, RESERVATION}) | BALANCERS
FREE: Final = frozenset(
    {
        GROUP_POLICY,
        SCHEDULE,
        TEMPLATE,
        "aws:lb/targetGroup:TargetGroup",
        "aws:lb/listener:Listener",
        "aws:lb/listenerRule:ListenerRule",
        "libvirt:index/volume:Volume",
        "libvirt:index/cloudInitDisk:CloudInitDisk",
    }
)

#: Inputs of a launch template that cost nothing, or that are counted.
TEMPLATE_INPUTS: Final = frozenset(
    {
        "__defaults",
        "blockDeviceMappings",
        "defaultVersion",
        "description",
        "disableApiStop",
        "disableApiTermination",
        "ebsOptimized",
        "iamInstanceProfile",
        "imageId",
        "instanceInitiatedShutdownBehavior",
        "instanceMarketOptions",
        "instanceType",
        "keyName",
        "metadataOptions",
        "name",
        "namePrefix",
        "region",
        "securityGroupNames",
        "tagSpecifications",
        "tags",
        "tagsAll",
        "updateDefaultVersion",
        "userData",
        "vpcSecurityGroupIds",
    }
)

_COMPONENT_TIERS: Final = {
    "tiercast:stacks:HotTier": Tier.HOT,
    "tiercast:stacks:WarmTier": Tier.WARM,
    "tiercast:stacks:ColdTier": Tier.COLD,
}


class Unknown:
    """A value that only the update will know."""

    def __repr__(self) -> str:
        """The text that messages show."""
        return "(not known before the update)"


UNKNOWN: Final = Unknown()


class Undecidable(Exception):
    """A policy needs a value that is unknown or missing before the update."""

    def __init__(self, resource: Resource, what: str) -> None:
        self.urn = resource.urn
        super().__init__(
            f"{resource.name}: {what} is not known before the update, so the policy can't judge it. "
            "Set it to a plain value."
        )


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of the stack.

    inputs: plain values by the provider's property names. provider: inputs of its provider. depends: property → URNs of
    the resources that its value comes from. physical: the id that ends its ARN in the state; "" where unknown. newest: a
    launch template's newest version; "" where only the update knows it.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    ignored: frozenset[str] = frozenset()
    provider_name: str = ""
    provider: Mapping[str, Any] = field(default_factory=dict)
    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    physical: str = ""
    newest: str = ""

    @property
    def parents(self) -> tuple[str, ...]:
        """Types of its parent components, outermost first. The engine writes them into the URN."""
        parts = self.urn.split("::")
        return tuple(parts[2].split("$")[:-1]) if len(parts) > 2 else ()

    @property
    def tier(self) -> Tier | None:
        """The tier whose component declares it; None for a resource outside the tiers."""
        return next((_COMPONENT_TIERS[parent] for parent in self.parents if parent in _COMPONENT_TIERS), None)

    @property
    def managed(self) -> bool:
        """Whether a provider manages it. Components, the stack and providers are not managed."""
        return not (self.type.startswith(("pulumi:", "tiercast:stacks:")))

    def get(self, path: str, default: Any = None) -> Any:
        """The input at a dotted path (`warmPool.minSize`), or `default` if it is not set.

        Raises:
            Undecidable: the value, or a part of the path to it, is unknown.
        """
        value: Any = self.inputs
        for key in path.split("."):
            if not isinstance(value, Mapping) or value.get(key) is None:
                return default
            value = value[key]
            if value is UNKNOWN:
                raise Undecidable(self, path)
        return value

    def whole(self, path: str, default: int) -> int:
        """The input at a dotted path as a whole number.

        Raises:
            Undecidable: the value is unknown or not a number.
        """
        value = self.get(path, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise Undecidable(self, path) from None


def tag_values(tags: Any) -> dict[str, str]:
    """Known tags of a resource, from a group's list or everybody else's map."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items() if value is not UNKNOWN}
    if isinstance(tags, Sequence) and not isinstance(tags, str):
        return {
            str(tag["key"]): str(tag.get("value", ""))
            for tag in tags
            if isinstance(tag, Mapping) and tag.get("key") is not None and tag.get("value") is not UNKNOWN
        }
    return {}
