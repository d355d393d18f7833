"""Prices and commitments of an AWS account, by its APIs: each answer checked, none replaced by zero.

    DescribeInstanceTypes        vCPU, memory, baseline network
    Pricing GetProducts          on-demand and standard no-upfront 1 and 3 years, Linux, shared tenancy
    DescribeSpotPriceHistory     the newest price of each zone; the most expensive zone counts
    DescribeReservedInstances    what is committed already          DescribeCapacityReservations   what is reserved
    spot advisor file            interruption rates, from AWS's published JSON that the user keeps beside the fleet

Clients are passed in, so that region, endpoint and credentials stay with the caller.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from reconciler.errors import InputError, Unavailable
from reconciler.prices.catalogue import Catalogue, parse_catalogue
from stacks.contract import Commitment, Reservation

#: Key of `terms.Reserved` (contract length) → key of our prices.
_TERMS = {"1yr": "committed_1yr", "3yr": "committed_3yr"}

#: Monthly interruption by the advisor's range index: the upper edge of "<5 %", "5–10 %", "10–15 %", "15–20 %", ">20 %".
_RANGES = (0.05, 0.10, 0.15, 0.20, 0.30)

_SECONDS_PER_HOUR = 3600

ADVISOR_REMEDY = "Download AWS's spot advisor data again, or leave prices.advisor out of fleet.yaml."


def fetch_catalogue(
    ec2: Any,
    pricing: Any,
    *,
    region: str,
    types: Sequence[str],
    now: datetime,
    base: Catalogue,
    advisor: Mapping[str, Mapping[str, float]] | None = None,
) -> Catalogue:
    """A catalogue of the wanted types, priced now.

    Args:
        ec2, pricing: boto3 clients; `pricing` of us-east-1, eu-central-1 or ap-south-1, where that API lives.
        region: of the prices.
        types: instance types to price.
        now: aware; the catalogue's date.
        base: where boot times, storage and balancer prices come from, which no API above has by type.
        advisor: interruption per month by type and zone, as `advisor_rates` reads it; absent: the base's.

    Raises:
        InputError: AWS does not know a type in the region, or prices it in another currency.
        Unavailable: an API did not answer or refused; the message says which call.
    """
    wanted = sorted(set(types))
    facts = {f["InstanceType"]: f for f in _described_types(ec2, wanted)}
    unknown = [name for name in wanted if name not in facts]
    if unknown:
        raise InputError(
            f"instance type {', '.join(unknown)}", f"AWS does not offer it in {region}.", "Correct the name or region."
        )
    spot = spot_prices(ec2, wanted, now)
    raw = {
        "source": f"AWS APIs ({region})",
        "taken_on": now.date().isoformat(),
        "region": region,
        "default_boot": base.default_boot.model_dump(),
        "storage_usd_per_gib_month": base.storage_usd_per_gib_month,
        "load_balancer_usd_per_hour": base.load_balancer_usd_per_hour,
        "default_root_gib": base.default_root_gib,
        "hypervisor_usd_per_hour": base.hypervisor_usd_per_hour,
        "types": {
            name: _type(facts[name], listed_prices(pricing, name, region), spot.get(name, {}), base, advisor or {})
            for name in wanted
        },
    }
    return parse_catalogue(raw, f"prices of {region}")


def _type(
    fact: Mapping[str, Any],
    listed: Mapping[str, float],
    spot: Mapping[str, float],
    base: Catalogue,
    advisor: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    name = fact["InstanceType"]
    known = base.types.get(name)
    prices = dict(listed)
    if spot:
        prices["spot"] = max(spot.values())
    network = sum(c.get("BaselineBandwidthInGbps", 0.0) for c in fact.get("NetworkInfo", {}).get("NetworkCards", []))
    return {
        "vcpu": fact["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": fact["MemoryInfo"]["SizeInMiB"],
        "network_mbps": network * 1000 or (known.network_mbps if known else None),
        "boot": known.boot.model_dump() if known and known.boot else None,
        "usd_per_hour": prices,
        "interruption_per_month": advisor.get(name) or (known.interruption_per_month if known else {}),
    }


def _described_types(ec2: Any, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    # A filter, not the list of names: an unknown name would fail the whole call instead of being missing.
    for page in _pages(ec2, "describe_instance_types", Filters=[{"Name": "instance-type", "Values": list(names)}]):
        yield from page["InstanceTypes"]


def listed_prices(pricing: Any, name: str, region: str) -> dict[str, float]:
    """On-demand and committed USD/hour of a type, from the public price list; only those that it has."""
    wanted = {
        "instanceType": name,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    prices: dict[str, float] = {}
    for page in _pages(pricing, "get_products", ServiceCode="AmazonEC2", Filters=filters):
        for text in page["PriceList"]:
            terms = json.loads(text).get("terms", {})
            for term in terms.get("OnDemand", {}).values():
                _put(prices, "on_demand", term, name)
            for term in terms.get("Reserved", {}).values():
                about = term.get("termAttributes", {})
                standard = about.get("OfferingClass") == "standard" and about.get("PurchaseOption") == "No Upfront"
                if standard and about.get("LeaseContractLength") in _TERMS:
                    _put(prices, _TERMS[about["LeaseContractLength"]], term, name)
    return prices


def _put(prices: dict[str, float], key: str, term: Mapping[str, Any], name: str) -> None:
    """The hourly price of a term; entries of zero (fees, free dimensions) are not prices."""
    for dimension in term["priceDimensions"].values():
        per_unit = dimension["pricePerUnit"]
        if "USD" not in per_unit:
            raise InputError(
                f"price list of {name}", f"priced in {', '.join(per_unit)}, expected USD.", "Give a catalogue file."
            )
        price = float(per_unit["USD"])
        if dimension.get("unit") == "Hrs" and price > 0:
            prices[key] = price


def spot_prices(ec2: Any, names: Sequence[str], now: datetime) -> dict[str, dict[str, float]]:
    """Newest spot price in USD/hour by type and zone, Linux."""
    newest: dict[tuple[str, str], tuple[datetime, float]] = {}
    for page in _pages(
        ec2,
        "describe_spot_price_history",
        InstanceTypes=list(names),
        ProductDescriptions=["Linux/UNIX"],
        StartTime=now,
        EndTime=now,
    ):
        for entry in page["SpotPriceHistory"]:
            key = (entry["InstanceType"], entry["AvailabilityZone"])
            found = (entry["Timestamp"], float(entry["SpotPrice"]))
            newest[key] = max(newest.get(key, found), found)
    prices: dict[str, dict[str, float]] = {}
    for (name, zone), (_, price) in sorted(newest.items()):
        prices.setdefault(name, {})[zone] = price
    return prices


def commitments(ec2: Any) -> tuple[Commitment, ...]:
    """Active reserved instances as commitments: recurring charge per hour plus the fixed price spread over the term."""
    answer = _call(ec2, "describe_reserved_instances", Filters=[{"Name": "state", "Values": ["active"]}])
    found = []
    for entry in answer["ReservedInstances"]:
        if entry.get("CurrencyCode", "USD") != "USD":
            raise InputError(
                f"reserved instance {entry['ReservedInstancesId']}",
                f"paid in {entry['CurrencyCode']}, expected USD.",
                "Declare it under `commitments` with its price in USD.",
            )
        hourly = sum(c["Amount"] for c in entry.get("RecurringCharges", []) if c.get("Frequency") == "Hourly")
        spread = (
            entry.get("FixedPrice", 0.0) / (entry["Duration"] / _SECONDS_PER_HOUR) if entry.get("Duration") else 0.0
        )
        found.append(
            Commitment(
                instance_type=entry["InstanceType"],
                count=entry["InstanceCount"],
                usd_per_hour=hourly + spread + entry.get("UsagePrice", 0.0),
            )
        )
    return tuple(sorted(found, key=lambda c: (c.instance_type, c.usd_per_hour)))


def reservations(ec2: Any, *, own: Mapping[str, str] | None = None) -> tuple[Reservation, ...]:
    """Active on-demand capacity reservations, by type and zone; those that carry all tags of `own` are left out."""
    counts: dict[tuple[str, str], int] = {}
    for page in _pages(ec2, "describe_capacity_reservations", Filters=[{"Name": "state", "Values": ["active"]}]):
        for entry in page["CapacityReservations"]:
            tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
            if own and own.items() <= tags.items():
                continue
            key = (entry["InstanceType"], entry["AvailabilityZone"])
            counts[key] = counts.get(key, 0) + entry["TotalInstanceCount"]
    return tuple(Reservation(instance_type=t, zone=z, count=n) for (t, z), n in sorted(counts.items()) if n)


def advisor_rates(text: str, region: str, location: str) -> dict[str, dict[str, float]]:
    """Interruption per month by type from the spot advisor's JSON; the same for every zone ('*').

    Raises:
        InputError: it is not that file, or does not have the region.
    """
    try:
        listed = json.loads(text)["spot_advisor"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(
            location, "expected AWS's spot advisor data (JSON with the key `spot_advisor`).", ADVISOR_REMEDY
        ) from None
    if region not in listed:
        raise InputError(
            location, f"has no region {region} (it has {', '.join(sorted(listed)[:5])}, …).", ADVISOR_REMEDY
        )
    return {
        name: {"*": _RANGES[min(int(entry["r"]), len(_RANGES) - 1)]}
        for name, entry in listed[region].get("Linux", {}).items()
    }


def client(service: Literal["ec2", "pricing"], region: str) -> Any:
    """A client that gives up in seconds; boto3 is loaded here alone, because most plans do without it.

    It sends each request once: where AWS does not answer, the kept prices serve, and the loop retries.

    Raises:
        BotoCoreError: region, endpoint or credentials are wrong.
    """
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client(service, region_name=region, config=patience)


def _pages(client: Any, operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
    try:
        yield from client.get_paginator(operation).paginate(**arguments)
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise _unavailable(operation, error) from error


def _call(client: Any, operation: str, **arguments: Any) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = getattr(client, operation)(**arguments)
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise _unavailable(operation, error) from error
    return answer


def _unavailable(operation: str, error: Exception) -> Unavailable:
    name = "".join(part.capitalize() for part in operation.split("_"))
    return Unavailable(f"AWS {name} did not answer: {error}")
