"""AWS's answers over real HTTP: types, spot prices and capacity reservations by the lab's server.

The price list and reserved instances are not part of moto; there the answer is an error that can be tried again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config

from reconciler.adapters.prices.aws import commitments, fetch_catalogue, listed_prices, reservations, spot_prices
from reconciler.errors import InputError, Unavailable
from reconciler.prices.catalogue import builtin

pytestmark = pytest.mark.lab
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def ec2(endpoint: str) -> Any:
    return client("ec2", endpoint)


def client(service: str, endpoint: str) -> Any:
    keys = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
    once = Config(retries={"mode": "standard", "max_attempts": 1})
    return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, config=once, **keys)


def test_spot_prices_are_read_by_zone(ec2: Any) -> None:
    found = spot_prices(ec2, ["m5.large", "c5.large"], NOW)
    assert set(found) == {"m5.large", "c5.large"}
    assert all(price > 0 for zones in found.values() for price in zones.values())


def test_an_unknown_type_is_named_from_the_real_listing(ec2: Any) -> None:
    with pytest.raises(InputError, match=r"m5\.mega.*does not offer it"):
        fetch_catalogue(ec2, None, region="us-east-1", types=["m5.large", "m5.mega"], now=NOW, base=builtin())


def test_capacity_is_counted_by_zone_without_the_stack_s_own(ec2: Any) -> None:
    def reserve(count: int, **tags: str) -> None:
        ec2.create_capacity_reservation(
            InstanceType="m5.large",
            InstancePlatform="Linux/UNIX",
            AvailabilityZone="us-east-1a",
            InstanceCount=count,
            TagSpecifications=[
                {
                    "ResourceType": "capacity-reservation",
                    "Tags": [{"Key": k, "Value": v} for k, v in tags.items()],
                }
            ]
            if tags
            else [],
        )

    reserve(3)
    reserve(2, project="shop", stack="prod")
    assert [(r.zone, r.count) for r in reservations(ec2)] == [("us-east-1a", 5)]
    own = {"project": "shop", "stack": "prod"}
    assert [(r.zone, r.count) for r in reservations(ec2, own=own)] == [("us-east-1a", 3)]


def test_what_the_server_does_not_have_is_unavailable_and_names_the_call(ec2: Any, endpoint: str) -> None:
    with pytest.raises(Unavailable, match="GetProducts"):
        listed_prices(client("pricing", endpoint), "m5.large", "us-east-1")
    with pytest.raises(Unavailable, match="DescribeReservedInstances"):
        commitments(ec2)
