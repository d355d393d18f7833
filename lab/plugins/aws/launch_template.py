"""``aws:ec2/launchTemplate:LaunchTemplate``: every change of its data makes a new version; only the name replaces
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import name_prefix, resource_name, retag_ec2, tag_pairs
from lab.plugins.aws.shapes import from_response, tags_from, to_request
from lab.plugins.errors import PluginError
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_NOT_DATA: Final = frozenset(
    {"name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion", "tags", "region"}
)
_NO_NEW_VERSION: Final = frozenset({"name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion"})
_GONE: Final = frozenset({"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.NotFoundException"})
_NAMES: Final = {
    "vpcSecurityGroupIds": "SecurityGroupIds",
    "securityGroupNames": "SecurityGroups",
    "networkInterfaces.securityGroups": "Groups",
    "networkInterfaces.ipv4Addresses": "PrivateIpAddresses",
    "networkInterfaces.ipv4AddressCount": "SecondaryPrivateIpAddressCount",
}


def _unknown_after(changed: frozenset[str]) -> frozenset[str]:
    """A new version's number isn't known before it is made: a group that follows it previews its change too."""
    return frozenset({"latestVersion", "defaultVersion"}) if changed - _NO_NEW_VERSION else frozenset()


SPEC: Final = ResourceSpec(
    token="aws:ec2/launchTemplate:LaunchTemplate",
    sdk="pulumi_aws.ec2.LaunchTemplate",
    replaces=frozenset({"name", "namePrefix", "region"}),
    computed=frozenset(
        {"name", "namePrefix", "defaultVersion", "region", "metadataOptions", "metadataOptions.httpEndpoint"}
        | {"metadataOptions.httpTokens", "metadataOptions.httpPutResponseHopLimit", "metadataOptions.httpProtocolIpv6"}
        | {"metadataOptions.instanceMetadataTags", "blockDeviceMappings.ebs.iops", "blockDeviceMappings.ebs.throughput"}
        | {"blockDeviceMappings.ebs.volumeSize", "blockDeviceMappings.ebs.volumeType"}
        | {"instanceMarketOptions.spotOptions.validUntil"}
    ),
    sets=frozenset({"vpcSecurityGroupIds", "securityGroupNames", "networkInterfaces.securityGroups"}),
    autoname=AutoName(),
    conflicts=(
        frozenset({"name", "namePrefix"}),
        frozenset({"vpcSecurityGroupIds", "securityGroupNames"}),
        frozenset({"defaultVersion", "updateDefaultVersion"}),
        frozenset({"instanceType", "instanceRequirements"}),
    ),
    unknown_after=_unknown_after,
)


@dataclass(frozen=True, kw_only=True)
class LaunchTemplates:
    """The calls for launch templates."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the template with its first version."""
        name = resource_name(inputs)
        request: dict[str, Any] = {"LaunchTemplateName": name, "LaunchTemplateData": self._data(inputs)}
        if inputs.get("description"):
            request["VersionDescription"] = inputs["description"]
        if inputs.get("tags"):
            request["TagSpecifications"] = [{"ResourceType": "launch-template", "Tags": tag_pairs(inputs["tags"])}]
        response = self._call(f"creating EC2 Launch Template ({name})", "CreateLaunchTemplate", inputs, **request)
        id = response["LaunchTemplate"]["LaunchTemplateId"]
        return Created(id=id, outputs={**inputs, **(self.read(id, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the template with the data of its latest version."""
        doing = f"reading EC2 Launch Template ({id})"
        try:
            found = self._call(doing, "DescribeLaunchTemplates", state, LaunchTemplateIds=[id])["LaunchTemplates"]
        except PluginError as error:
            if error.code in _GONE:
                return None
            raise
        if not found:
            return None
        template = found[0]
        latest = str(template["LatestVersionNumber"])
        versions = self._call(doing, "DescribeLaunchTemplateVersions", state, LaunchTemplateId=id, Versions=[latest])
        version = versions["LaunchTemplateVersions"][0]
        tags = tags_from(template.get("Tags") or [])
        region = state.get("region") or self.cloud.region
        kept = {name: state[name] for name in ("updateDefaultVersion",) if name in state}
        prefix = name_prefix(template["LaunchTemplateName"])
        return {
            **from_response(self.spec.inputs, _own_data(version.get("LaunchTemplateData") or {}), _NAMES),
            **kept,
            "name": template["LaunchTemplateName"],
            "namePrefix": prefix,
            "description": version.get("VersionDescription"),
            "defaultVersion": template["DefaultVersionNumber"],
            "latestVersion": template["LatestVersionNumber"],
            "arn": f"arn:aws:ec2:{region}:{_account(template)}:launch-template/{id}",
            "tags": tags or None,
            "tagsAll": tags,
            "region": region,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Makes a new version where data changed, moves the default version, and sets tags."""
        inputs = change.inputs
        doing = f"updating EC2 Launch Template ({id})"
        latest = change.state.get("latestVersion")
        if change.changed - _NOT_DATA or "description" in change.changed:
            request: dict[str, Any] = {"LaunchTemplateId": id, "LaunchTemplateData": self._data(inputs)}
            if inputs.get("description"):
                request["VersionDescription"] = inputs["description"]
            made = self._call(doing, "CreateLaunchTemplateVersion", inputs, **request)
            latest = made["LaunchTemplateVersion"]["VersionNumber"]
        wanted = latest if inputs.get("updateDefaultVersion") else inputs.get("defaultVersion")
        if wanted and wanted != change.state.get("defaultVersion"):
            self._call(doing, "ModifyLaunchTemplate", inputs, LaunchTemplateId=id, DefaultVersion=str(wanted))
        if "tags" in change.changed:
            old, new = change.state.get("tags") or {}, inputs.get("tags") or {}
            retag_ec2(self.cloud, id, old, new, inputs.get("region"))
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the template with all its versions."""
        try:
            self._call(f"deleting EC2 Launch Template ({id})", "DeleteLaunchTemplate", state, LaunchTemplateId=id)
        except PluginError as error:
            if error.code not in _GONE:
                raise

    def _data(self, inputs: Properties) -> dict[str, Any]:
        data = {name: value for name, value in inputs.items() if name not in _NOT_DATA}
        request: dict[str, Any] = to_request(self.cloud.shape("ec2", "RequestLaunchTemplateData"), data, _NAMES)
        return request

    def _call(self, doing: str, operation: str, inputs: Properties, **request: Any) -> dict[str, Any]:
        return self.cloud.call(doing, "ec2", operation, inputs.get("region"), **request)


def _account(template: dict[str, Any]) -> str:
    creator = str(template.get("CreatedBy", ""))
    return creator.split(":")[4] if creator.count(":") >= 5 else "123456789012"


def _own_data(data: dict[str, Any]) -> dict[str, Any]:
    """The template's data without the tags of the template itself, which moto adds to it and AWS keeps apart."""
    specifications = [s for s in data.get("TagSpecifications", ()) if s.get("ResourceType") != "launch-template"]
    rest = {name: value for name, value in data.items() if name != "TagSpecifications"}
    return {**rest, "TagSpecifications": specifications} if specifications else rest
