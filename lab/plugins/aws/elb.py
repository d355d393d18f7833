"""What the load-balancing types share: calls, tags, attributes, and actions of listeners and rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import tag_pairs
from lab.plugins.aws.shapes import from_response, tags_from, to_request
from lab.plugins.errors import PluginError
from lab.plugins.schema import PropertyType
from lab.plugins.wire import Properties

_ACTION: Final = {
    "authenticateCognito": "AuthenticateCognitoConfig",
    "authenticateOidc": "AuthenticateOidcConfig",
    "fixedResponse": "FixedResponseConfig",
    "forward": "ForwardConfig",
    "forward.stickiness": "TargetGroupStickinessConfig",
    "forward.stickiness.duration": "DurationSeconds",
    "forward.targetGroups.arn": "TargetGroupArn",
    "jwtValidation": "JwtValidationConfig",
    "redirect": "RedirectConfig",
}


def action_names(path: str) -> dict[str, str | None]:
    """Returns the members of the actions at a property path."""
    return {f"{path}.{name}": member for name, member in _ACTION.items()}


def call(cloud: Cloud, doing: str, operation: str, inputs: Properties, /, **request: Any) -> dict[str, Any]:
    """Calls an operation of the load-balancing API."""
    return cloud.call(doing, "elbv2", operation, inputs.get("region"), **request)


def described(
    cloud: Cloud, doing: str, operation: str, state: Properties, gone: Collection[str], /, **request: Any
) -> dict[str, Any] | None:
    """Returns the one resource that an operation describes, None where the error codes ``gone`` say that there is
    none."""
    try:
        answer = call(cloud, doing, operation, state, **request)
    except PluginError as error:
        if error.code in gone:
            return None
        raise
    listed = answer[operation.removeprefix("Describe")]
    return dict(listed[0]) if listed else None


def delete(
    cloud: Cloud, doing: str, operation: str, state: Properties, gone: Collection[str], /, **request: Any
) -> None:
    """Calls an operation that deletes; what is gone already is as wanted."""
    try:
        call(cloud, doing, operation, state, **request)
    except PluginError as error:
        if error.code not in gone:
            raise


def attributes(cloud: Cloud, doing: str, operation: str, state: Properties, /, **request: Any) -> dict[str, str]:
    """Returns the attributes that an operation describes, as text by key."""
    listed = call(cloud, doing, operation, state, **request)
    return {one["Key"]: one.get("Value", "") for one in listed.get("Attributes") or []}


def request_actions(cloud: Cloud, path: str, actions: list[Properties]) -> list[dict[str, Any]]:
    """Returns the actions at ``path`` as the API takes them; a single target group goes as such, as upstream sends
    it."""
    sent: list[dict[str, Any]] = []
    for index, action in enumerate(actions):
        wanted = {name: value for name, value in action.items() if value not in (None, "")}
        wanted.setdefault("order", index + 1)
        sent.append(to_request(cloud.shape("elbv2", "Action"), wanted, action_names(path), path))
    return sent


def read_actions(kind: PropertyType, path: str, actions: list[Any], known: list[Properties] | None) -> list[Properties]:
    """Returns described actions as properties, in the form in which the program states them.

    AWS reports a forward to one target group twice: by its ARN and as a weighted list. The state says which one is
    meant.
    """
    found: list[Properties] = []
    ordered = sorted(actions, key=lambda one: one.get("Order") or 0)
    for index, action in enumerate(ordered):
        one: Properties = from_response(kind, action, action_names(path), path)
        before = known[index] if known and index < len(known) else {}
        if one.get("type") == "forward":
            groups = (one.get("forward") or {}).get("targetGroups") or []
            if before.get("forward") and not before.get("targetGroupArn"):
                one.pop("targetGroupArn", None)
            elif len(groups) <= 1:
                one["targetGroupArn"] = one.get("targetGroupArn") or (groups[0]["arn"] if groups else None)
                one.pop("forward", None)
            else:
                one.pop("targetGroupArn", None)
        found.append({key: value for key, value in one.items() if value is not None})
    return found


def read_tags(cloud: Cloud, arn: str, state: Properties) -> dict[str, str]:
    """Returns the tags of a load-balancing resource."""
    found = call(cloud, f"listing tags of {arn}", "DescribeTags", state, ResourceArns=[arn])
    descriptions = found.get("TagDescriptions") or []
    return tags_from(descriptions[0].get("Tags") or []) if descriptions else {}


def retag(cloud: Cloud, arn: str, old: Mapping[str, str], new: Mapping[str, str], inputs: Properties) -> None:
    """Makes a resource's tags ``new``."""
    if gone := sorted(set(old) - set(new)):
        call(cloud, f"untagging {arn}", "RemoveTags", inputs, ResourceArns=[arn], TagKeys=gone)
    if changed := {key: value for key, value in new.items() if old.get(key) != value}:
        call(cloud, f"tagging {arn}", "AddTags", inputs, ResourceArns=[arn], Tags=tag_pairs(changed))


def text(value: Any) -> str:
    """Returns an attribute's value as the API takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def from_text(value: str, like: PropertyType) -> Any:
    """Returns an attribute's value as the property type wants it."""
    if like.kind == "boolean":
        return value == "true"
    return int(value) if like.kind == "integer" and value.lstrip("-").isdecimal() else value
