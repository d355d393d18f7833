"""required-tags: every cloud resource carries the tags of its owner. Missing tags are added if their value is known, else refused.

This is the only policy over single resources, because Pulumi remediates only single resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from policies.resources import GROUP, RESERVATION, TEMPLATE, Resource, tag_values
from policies.rule import Facts, Rule, RuleSettings, Violation

NAME = "required-tags"

#: Types with tags; a group has a list of them, the others a map.
TAGGED = frozenset(
    {
        GROUP,
        TEMPLATE,
        RESERVATION,
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:lb/listener:Listener",
        "aws:lb/listenerRule:ListenerRule",
    }
)


class RequiredTags(RuleSettings):
    """The tags that are required beyond project, stack and tier."""

    tags: tuple[str, ...] = Field(default=(), description="More required tags, such as team.")
    defaults: dict[str, str] = Field(
        default_factory=dict, description="Tag → value that is added if the tag is missing."
    )


def missing(resource: Resource, settings: RequiredTags) -> list[str]:
    """Names of the tags that a resource lacks; none for a type that can't have tags."""
    if resource.type not in TAGGED:
        return []
    required = ["project", "stack", *settings.tags]
    if resource.tier is not None:
        required.append("tier")
    present = tag_values(resource.inputs.get("tags"))
    return sorted({name for name in required if not present.get(name)})


def added(resource: Resource, settings: RequiredTags) -> dict[str, str]:
    """Missing tags whose value is known: from the resource's URN, or the defaults."""
    parts = resource.urn.split("::")
    known = {**settings.defaults}
    if len(parts) > 2:
        known |= {"stack": parts[0].rpartition(":")[2], "project": parts[1]}
    if resource.tier is not None:
        known["tier"] = resource.tier.value
    return {name: known[name] for name in missing(resource, settings) if known.get(name)}


def with_tags(kind: str, tags: Any, more: Mapping[str, str]) -> Any:
    """The tags of a resource of that type with `more` added; existing tags keep their place and value."""
    if kind == GROUP:
        kept = [
            tag
            for tag in (tags if isinstance(tags, Sequence) else ())
            if not (isinstance(tag, Mapping) and tag.get("key") in more)
        ]
        return [*kept, *({"key": k, "value": v, "propagateAtLaunch": True} for k, v in sorted(more.items()))]
    return {**(tags if isinstance(tags, Mapping) else {}), **more}


def sentence(names: Sequence[str]) -> str:
    """The violation for tags that are missing and have no known value."""
    subject = f"tags {', '.join(names)} are" if len(names) > 1 else f"tag {names[0]} is"
    return f"The {subject} missing. Set `tags` in fleet.yaml and plan again."


def decide(facts: Facts, settings: RequiredTags, *, remedied: bool = True) -> Iterator[Violation]:
    """One violation per resource with missing tags. With `remedied`, tags that can be added do not count as missing."""
    for resource in facts.resources:
        more = added(resource, settings) if remedied else {}
        names = [name for name in missing(resource, settings) if name not in more]
        if names:
            yield Violation(message=f"{resource.name}: {sentence(names)}", urn=resource.urn)


RULE = Rule(
    name=NAME,
    description="Every cloud resource carries project, stack and tier, and the tags that the organisation requires.",
    severity="medium",
    remedy="Set `tags` in fleet.yaml and plan again, or set defaults in the policy pack's configuration.",
    settings=RequiredTags,
    decide=decide,
    level="remediate",
)
