"""Unique names from a prefix, and tags as the provider handles them."""

from __future__ import annotations

import datetime
import itertools
import threading
from collections.abc import Mapping
from typing import Any

from lab.plugins.aws.cloud import Cloud

_counter = itertools.count(1)
_lock = threading.Lock()


def resource_name(inputs: Mapping[str, Any], now: datetime.datetime | None = None) -> str:
    """Returns the wanted name, or the prefix with the 26 characters that Terraform appends (time and a counter)."""
    if inputs.get("name"):
        return str(inputs["name"])
    moment = (now or datetime.datetime.now(datetime.UTC)).strftime("%Y%m%d%H%M%S%f")[:18]
    with _lock:
        return f"{inputs.get('namePrefix') or 'terraform-'}{moment}{next(_counter):08x}"


def name_prefix(name: str) -> str | None:
    """Returns the prefix of a name that ends in Terraform's 26 characters, or None where it doesn't."""
    suffix = name[-26:]
    if len(name) > 26 and suffix[:18].isdecimal() and all(digit in "0123456789abcdef" for digit in suffix[18:]):
        return name[:-26]
    return None


def tag_pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns a tag map as AWS's list, by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def retag_ec2(cloud: Cloud, id: str, old: Mapping[str, str], new: Mapping[str, str], region: str | None) -> None:
    """Makes an EC2 resource's tags ``new``: removes keys that are gone, sets those that differ."""
    gone = sorted(set(old) - set(new))
    if gone:
        cloud.call(f"untagging {id}", "ec2", "DeleteTags", region, Resources=[id], Tags=[{"Key": key} for key in gone])
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if changed:
        cloud.call(f"tagging {id}", "ec2", "CreateTags", region, Resources=[id], Tags=tag_pairs(changed))
