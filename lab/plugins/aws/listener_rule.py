"""``aws:lb/listenerRule:ListenerRule``: conditions and (weighted) actions of a listener; only its listener replaces
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws import elb
from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import tag_pairs
from lab.plugins.errors import PluginError
from lab.plugins.resource import Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_GONE: Final = frozenset({"RuleNotFound", "RuleNotFoundException", "ListenerNotFound", "ListenerNotFoundException"})
_FIELDS: Final = {
    "hostHeader": ("host-header", "HostHeaderConfig"),
    "httpHeader": ("http-header", "HttpHeaderConfig"),
    "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
    "pathPattern": ("path-pattern", "PathPatternConfig"),
    "queryStrings": ("query-string", "QueryStringConfig"),
    "sourceIp": ("source-ip", "SourceIpConfig"),
}

SPEC: Final = ResourceSpec(
    token="aws:lb/listenerRule:ListenerRule",
    sdk="pulumi_aws.lb.ListenerRule",
    replaces=frozenset({"listenerArn", "region"}),
    computed=frozenset({"actions.order", "priority", "region"}),
    sets=frozenset(
        {"actions.forward.targetGroups", "conditions", "conditions.queryStrings"}
        | {f"conditions.{name}.values" for name in _FIELDS if name != "queryStrings"}
    ),
    defaults={
        "actions.forward.stickiness.enabled": False,
        "actions.forward.targetGroups.weight": 1,
        "actions.redirect.host": "#{host}",
        "actions.redirect.path": "/#{path}",
        "actions.redirect.port": "#{port}",
        "actions.redirect.protocol": "#{protocol}",
        "actions.redirect.query": "#{query}",
    },
)


@dataclass(frozen=True, kw_only=True)
class ListenerRules:
    """The calls for listener rules. The id is the ARN."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the rule; without a priority it goes after the listener's last."""
        listener = inputs["listenerArn"]
        request: dict[str, Any] = {"ListenerArn": listener, **self._request(inputs)}
        request["Priority"] = inputs.get("priority") or self._next_priority(inputs)
        if inputs.get("tags"):
            request["Tags"] = tag_pairs(inputs["tags"])
        doing = f"creating ELBv2 Listener Rule on {listener}"
        arn = elb.call(self.cloud, doing, "CreateRule", inputs, **request)["Rules"][0]["RuleArn"]
        return Created(id=arn, outputs={**inputs, **(self.read(arn, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the rule as it is."""
        doing = f"reading ELBv2 Listener Rule ({id})"
        rule = elb.described(self.cloud, doing, "DescribeRules", state, _GONE, RuleArns=[id])
        if rule is None:
            return None
        tags = elb.read_tags(self.cloud, id, state)
        kind = self.spec.inputs.fields["actions"].element
        assert kind is not None
        prefix, _, rest = id.partition(":listener-rule/")
        priority = str(rule.get("Priority", ""))
        return {
            "actions": elb.read_actions(kind, "actions", rule.get("Actions") or [], state.get("actions")),
            "arn": id,
            "conditions": [_read_condition(one) for one in rule.get("Conditions") or []],
            "listenerArn": f"{prefix}:listener/{rest.rpartition('/')[0]}",
            "priority": int(priority) if priority.isdecimal() else 99999,
            "region": state.get("region") or self.cloud.region,
            "tags": tags or None,
            "tagsAll": tags,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Changes priority, actions, conditions and tags."""
        inputs, changed = change.inputs, change.changed
        doing = f"modifying ELBv2 Listener Rule ({id})"
        if "priority" in changed:
            priorities = [{"RuleArn": id, "Priority": inputs["priority"]}]
            elb.call(self.cloud, doing, "SetRulePriorities", inputs, RulePriorities=priorities)
        if changed & {"actions", "conditions"}:
            request = self._request(inputs)
            sent = {key: request[key] for key in request if key.lower() in changed}
            elb.call(self.cloud, doing, "ModifyRule", inputs, RuleArn=id, **sent)
        if "tags" in changed:
            elb.retag(self.cloud, id, change.state.get("tags") or {}, inputs.get("tags") or {}, inputs)
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the rule."""
        elb.delete(self.cloud, f"deleting ELBv2 Listener Rule ({id})", "DeleteRule", state, _GONE, RuleArn=id)

    def _request(self, inputs: Properties) -> dict[str, Any]:
        return {
            "Actions": elb.request_actions(self.cloud, "actions", inputs["actions"]),
            "Conditions": [_condition(one) for one in inputs["conditions"]],
        }

    def _next_priority(self, inputs: Properties) -> int:
        doing = f"reading ELBv2 Listener Rules of {inputs['listenerArn']}"
        rules = elb.call(self.cloud, doing, "DescribeRules", inputs, ListenerArn=inputs["listenerArn"])["Rules"]
        taken = [int(rule["Priority"]) for rule in rules if str(rule.get("Priority", "")).isdecimal()]
        return max(taken, default=0) + 1


def _condition(wanted: Properties) -> dict[str, Any]:
    present = [name for name in _FIELDS if wanted.get(name)]
    if len(present) != 1:
        raise PluginError(f"a condition must have exactly one of {', '.join(_FIELDS)}; it has {present or 'none'}")
    name = present[0]
    field, member = _FIELDS[name]
    value = wanted[name]
    match name:
        case "queryStrings":
            pairs = [{key.capitalize(): text for key, text in one.items() if text} for one in value]
            return {"Field": field, member: {"Values": pairs}}
        case "httpHeader":
            return {"Field": field, member: {"HttpHeaderName": value["httpHeaderName"], "Values": value["values"]}}
        case _:
            return {"Field": field, member: {"Values": value["values"]}}


def _read_condition(found: dict[str, Any]) -> Properties:
    for name, (field, member) in _FIELDS.items():
        if found.get("Field") != field:
            continue
        value = found.get(member) or {}
        values = value.get("Values") or found.get("Values") or []
        if name == "queryStrings":
            return {name: [{key.lower(): text for key, text in one.items()} for one in values]}
        if name == "httpHeader":
            return {name: {"httpHeaderName": value.get("HttpHeaderName"), "values": values}}
        return {name: {"values": values}}
    return {}
