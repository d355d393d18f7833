"""A stack configuration with everything in it, as raw YAML-like values, for tests to vary."""

from __future__ import annotations

import copy
from typing import Any

from stacks.contract import StackConfig, demand_digest, parse

XSLT = '<x><arg value="hostfwd=tcp:127.0.0.1:{port}-:80"/><n>{name}</n></x>'

_FULL: dict[str, Any] = {
    "schemaVersion": 2,
    "plan": {
        "id": "plan-1",
        "createdAt": "2026-11-24T00:00:00Z",
        "cutoff": "2026-11-23T23:00:00Z",
        "validUntil": "2026-11-24T02:00:00Z",
        "forecastDigest": "0" * 64,
        "catalogueDigest": "1" * 64,
    },
    "demand": {
        "stepSeconds": 3600,
        "classes": {
            "gold": {
                "latencyMs": 400,
                "percentile": 0.95,
                "promisedShare": 0.01,
                "allowedShare": 0.01,
                "tiers": ["hot", "warm", "cold"],
                "levels": [0.5, 0.99],
                "requestsPerSecond": [10.0, 20.0],
                "service": {"meanMs": 50},
                "roundTripMs": {"hot": 1, "warm": 10, "cold": 20},
            },
        },
    },
    "hot": {
        "hypervisors": [
            {"name": "hv1", "uri": "qemu:///system", "cores": 8, "memoryMib": 8192, "basePort": 20000},
            {"name": "hv2", "uri": "qemu+ssh://ops@hv2/system", "cores": 8, "memoryMib": 8192},
        ],
        "flavours": [{"name": "small", "vcpu": 1, "memoryMib": 128}, {"name": "big", "vcpu": 4, "memoryMib": 1024}],
        "slots": [
            {"hypervisor": "hv1", "number": 2, "flavour": "small"},
            {"hypervisor": "hv1", "number": 1, "flavour": "big"},
        ],
        "boot": {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd", "cmdline": [{"console": "ttyS0"}]},
        "domainType": "qemu",
        "overlay": XSLT,
    },
    "warm": {
        "ownership": "floor",
        "launch": {"imageId": "ami-1234", "subnets": ["subnet-1", "subnet-2"], "userData": "#!/bin/sh\n"},
        "groups": [
            {
                "name": "web",
                "instanceType": "m5.large",
                "size": {"min": 2, "desired": 2, "max": 4},
                "pool": {"maxGroupPreparedCapacity": 4},
            }
        ],
        "reservations": [{"instanceType": "m5.large", "zone": "us-east-1a", "count": 2}],
        "commitments": [{"instanceType": "m5.large", "count": 2, "usdPerHour": 0.06}],
        "targetTracking": {"cpuPercent": 60},
    },
    "cold": {
        "ownership": "exact",
        "launch": {"imageId": "ami-1234", "zones": ["us-east-1a"]},
        "groups": [
            {
                "name": "burst",
                "instanceTypes": ["m5.large", "m6i.large"],
                "size": {"min": 3, "desired": 3, "max": 3},
                "onDemandBase": 1,
                "onDemandShareAboveBase": 0.25,
            }
        ],
    },
    "routing": {"weights": {"hot": 20, "warm": 10, "cold": 5}},
}


def raw(**sections: Any) -> dict[str, Any]:
    """The full configuration, with whole sections replaced, or removed where None; digests are made to fit."""
    values = {**copy.deepcopy(_FULL), **sections}
    values = {key: value for key, value in values.items() if value is not None}
    values["plan"] = {**values["plan"], "forecastDigest": demand_digest(parse(values).demand)}
    return values


def config(**sections: Any) -> StackConfig:
    """The same, parsed."""
    return parse(raw(**sections))
