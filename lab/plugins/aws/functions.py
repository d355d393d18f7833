"""The provider functions (data sources) that a stack commonly asks: region, account, zones, image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.shapes import tags_from
from lab.plugins.errors import PluginError
from lab.plugins.wire import Properties


def functions(cloud: Cloud) -> Mapping[str, Callable[[Properties], Properties]]:
    """Returns the functions by token."""
    return {
        "aws:index/getAvailabilityZones:getAvailabilityZones": lambda arguments: _zones(cloud, arguments),
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _: _caller(cloud),
        "aws:index/getRegion:getRegion": lambda arguments: _region(cloud, arguments),
        "aws:ec2/getAmi:getAmi": lambda arguments: _image(cloud, arguments),
    }


def _region(cloud: Cloud, arguments: Properties) -> Properties:
    region = arguments.get("region") or arguments.get("name") or cloud.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {"id": region, "name": region, "region": region, "endpoint": endpoint, "description": region}


def _caller(cloud: Cloud) -> Properties:
    found = cloud.call("reading STS Caller Identity", "sts", "GetCallerIdentity")
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _zones(cloud: Cloud, arguments: Properties) -> Properties:
    region = arguments.get("region") or cloud.region
    request: dict[str, Any] = {"Filters": _filters(arguments)}
    if arguments.get("state"):
        request["Filters"].append({"Name": "state", "Values": [arguments["state"]]})
    if arguments.get("allAvailabilityZones"):
        request["AllAvailabilityZones"] = True
    found = cloud.call("reading EC2 Availability Zones", "ec2", "DescribeAvailabilityZones", region, **request)
    unwanted = {*(arguments.get("excludeNames") or []), *(arguments.get("excludeZoneIds") or [])}
    zones = sorted(
        (one for one in found["AvailabilityZones"] if not {one["ZoneName"], one.get("ZoneId")} & unwanted),
        key=lambda one: str(one["ZoneName"]),
    )
    return {
        **arguments,
        "id": region,
        "region": region,
        "groupNames": sorted({one["GroupName"] for one in zones if one.get("GroupName")}),
        "names": [one["ZoneName"] for one in zones],
        "zoneIds": [one.get("ZoneId", "") for one in zones],
    }


def _image(cloud: Cloud, arguments: Properties) -> Properties:
    region = arguments.get("region")
    request: dict[str, Any] = {"Filters": _filters(arguments)}
    for name, member in (("owners", "Owners"), ("executableUsers", "ExecutableUsers")):
        if arguments.get(name):
            request[member] = arguments[name]
    images = cloud.pages("reading EC2 AMIs", "ec2", "DescribeImages", "Images", region, **request)
    if not images:
        raise PluginError("Your query returned no results. Please change your search criteria and try again.")
    if len(images) > 1 and not arguments.get("mostRecent"):
        raise PluginError(
            "Your query returned more than one result. Please try a more specific search criteria, or set "
            "`most_recent` attribute to true."
        )
    image = max(images, key=lambda one: str(one.get("CreationDate", "")))
    plain = {name[:1].lower() + name[1:]: value for name, value in image.items() if isinstance(value, str | bool | int)}
    arn = f"arn:aws:ec2:{region or cloud.region}::image/{image['ImageId']}"
    return {
        **arguments,
        **plain,
        "id": image["ImageId"],
        "arn": arn,
        "region": region or cloud.region,
        "tags": tags_from(image.get("Tags") or []),
        "blockDeviceMappings": [],
        "productCodes": [],
    }


def _filters(arguments: Properties) -> list[dict[str, Any]]:
    return [{"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters") or []]
