"""Prices from AWS, checked by botocore's own models, kept with their age."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from reconciler.adapters.prices.aws import (
    advisor_rates,
    commitments,
    fetch_catalogue,
    listed_prices,
    reservations,
    spot_prices,
)
from reconciler.adapters.prices.cache import cached_catalogue
from reconciler.errors import InputError, PriceMissing, Unavailable
from reconciler.prices.catalogue import Catalogue, builtin, load_catalogue

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def client(service: str) -> tuple[Any, Stubber]:
    made = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    return made, Stubber(made)


def product(usd: str = "0.0960000000", currency: str = "USD") -> str:
    def term(price: str, unit: str = "Hrs", **about: str) -> dict[str, Any]:
        return {"priceDimensions": {"d": {"unit": unit, "pricePerUnit": {currency: price}}}, "termAttributes": about}

    standard = {"OfferingClass": "standard", "PurchaseOption": "No Upfront"}
    return json.dumps(
        {
            "terms": {
                "OnDemand": {"t": term(usd)},
                "Reserved": {
                    "a": term("0.0600000000", LeaseContractLength="1yr", **standard),
                    "b": term("0.0500000000", LeaseContractLength="1yr", OfferingClass="convertible"),
                    "c": term("0.0400000000", LeaseContractLength="3yr", **standard),
                    "d": term("0.0000000000", unit="Quantity", LeaseContractLength="3yr", **standard),
                },
            }
        }
    )


def kind(name: str) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192},
        "NetworkInfo": {"NetworkCards": [{"NetworkCardIndex": 0, "BaselineBandwidthInGbps": 0.75}]},
    }


def history(*prices: tuple[str, str, float, int]) -> dict[str, Any]:
    return {
        "SpotPriceHistory": [
            {
                "InstanceType": name,
                "AvailabilityZone": zone,
                "SpotPrice": str(price),
                "Timestamp": NOW - timedelta(hours=hours),
            }
            for name, zone, price, hours in prices
        ]
    }


def test_a_catalogue_is_put_together_from_three_apis() -> None:
    ec2, ec2_stub = client("ec2")
    pricing, pricing_stub = client("pricing")
    ec2_stub.add_response("describe_instance_types", {"InstanceTypes": [kind("m5.large")]}, {"Filters": ANY})
    ec2_stub.add_response(
        "describe_spot_price_history",
        history(("m5.large", "us-east-1a", 0.03, 1), ("m5.large", "us-east-1b", 0.04, 1)),
        {"InstanceTypes": ["m5.large"], "ProductDescriptions": ["Linux/UNIX"], "StartTime": NOW, "EndTime": NOW},
    )
    pricing_stub.add_response("get_products", {"PriceList": [product()]}, {"ServiceCode": "AmazonEC2", "Filters": ANY})
    with ec2_stub, pricing_stub:
        found = fetch_catalogue(ec2, pricing, region="us-east-1", types=["m5.large"], now=NOW, base=builtin())
    assert found.taken_on == NOW.date()
    assert found.price("m5.large", "on_demand") == 0.096
    assert found.price("m5.large", "committed_1yr") == 0.06
    assert found.price("m5.large", "committed_3yr") == 0.04
    assert found.price("m5.large", "spot") == 0.04
    assert found.type("m5.large").network_mbps == 750
    assert found.interruption("m5.large") == builtin().interruption("m5.large")


def test_a_type_that_is_not_offered_is_named() -> None:
    ec2, stub = client("ec2")
    stub.add_response("describe_instance_types", {"InstanceTypes": []}, {"Filters": ANY})
    with stub, pytest.raises(InputError, match=r"m9\.huge.*does not offer it in us-east-1"):
        fetch_catalogue(ec2, None, region="us-east-1", types=["m9.huge"], now=NOW, base=builtin())


def test_another_currency_is_refused_and_a_price_that_is_not_listed_is_missing() -> None:
    pricing, stub = client("pricing")
    stub.add_response("get_products", {"PriceList": [product(currency="CNY")]})
    with stub, pytest.raises(InputError, match="priced in CNY"):
        listed_prices(pricing, "m5.large", "cn-north-1")
    ec2, ec2_stub = client("ec2")
    pricing, stub = client("pricing")
    ec2_stub.add_response("describe_instance_types", {"InstanceTypes": [kind("m5.large")]})
    ec2_stub.add_response("describe_spot_price_history", history())
    stub.add_response("get_products", {"PriceList": [product(usd="0.0000000000")]})
    with stub, ec2_stub:
        found = fetch_catalogue(ec2, pricing, region="us-east-1", types=["m5.large"], now=NOW, base=builtin())
    for market in ("on_demand", "spot"):
        with pytest.raises(PriceMissing):
            found.price("m5.large", market)  # type: ignore[arg-type]


def test_the_newest_spot_price_of_each_zone_counts() -> None:
    ec2, stub = client("ec2")
    stub.add_response("describe_spot_price_history", history(("m5.large", "a", 0.05, 9), ("m5.large", "a", 0.03, 1)))
    with stub:
        assert spot_prices(ec2, ["m5.large"], NOW) == {"m5.large": {"a": 0.03}}


def test_what_is_committed_and_reserved_is_read() -> None:
    ec2, stub = client("ec2")
    year = 365 * 86400
    stub.add_response(
        "describe_reserved_instances",
        {
            "ReservedInstances": [
                {
                    "ReservedInstancesId": "r",
                    "InstanceType": "m5.large",
                    "InstanceCount": 3,
                    "Duration": year,
                    "FixedPrice": 262.8,
                    "UsagePrice": 0.0,
                    "CurrencyCode": "USD",
                    "RecurringCharges": [{"Amount": 0.03, "Frequency": "Hourly"}],
                }
            ]
        },
    )
    stub.add_response(
        "describe_capacity_reservations",
        {
            "CapacityReservations": [
                {"InstanceType": "m5.large", "AvailabilityZone": "us-east-1a", "TotalInstanceCount": n} for n in (2, 3)
            ]
        },
    )
    with stub:
        (held,) = commitments(ec2)
        (kept,) = reservations(ec2)
    assert held.count == 3
    assert held.usd_per_hour == pytest.approx(0.06)
    assert (kept.zone, kept.count) == ("us-east-1a", 5)


def test_an_api_that_refuses_is_unavailable_and_named() -> None:
    ec2, stub = client("ec2")
    stub.add_client_error("describe_spot_price_history", "UnauthorizedOperation", "no")
    with stub, pytest.raises(Unavailable, match="DescribeSpotPriceHistory"):
        spot_prices(ec2, ["m5.large"], NOW)


def test_the_spot_advisor_gives_interruption_rates() -> None:
    text = json.dumps({"spot_advisor": {"us-east-1": {"Linux": {"m5.large": {"r": 2, "s": 60}}}}})
    assert advisor_rates(text, "us-east-1", "advisor.json") == {"m5.large": {"*": 0.15}}
    with pytest.raises(InputError, match="no region eu-west-9"):
        advisor_rates(text, "eu-west-9", "advisor.json")
    with pytest.raises(InputError, match="spot advisor data"):
        advisor_rates("[]", "us-east-1", "advisor.json")


def fresh() -> Catalogue:
    return builtin()


def down() -> Catalogue:
    raise Unavailable("AWS GetProducts did not answer: timeout")


def test_fetched_prices_are_kept_and_used_while_they_are_young(tmp_path: Path) -> None:
    path, day = tmp_path / "prices.json", timedelta(days=1)
    assert cached_catalogue(path, fresh, now=NOW, max_age=day).catalogue == builtin()
    again = cached_catalogue(path, down, now=NOW + timedelta(hours=20), max_age=day)
    assert again.catalogue.digest() == builtin().digest()
    assert again.notes == ()


def test_kept_prices_can_be_pinned_as_they_are(tmp_path: Path) -> None:
    cached_catalogue(tmp_path / "prices.json", fresh, now=NOW, max_age=timedelta(days=1))
    kept = load_catalogue((tmp_path / "prices.json").read_text(encoding="utf-8"), "prices.json")
    assert kept.digest() == builtin().digest()


def test_old_prices_are_used_with_their_age_when_the_source_is_down(tmp_path: Path) -> None:
    path, day = tmp_path / "prices.json", timedelta(days=1)
    cached_catalogue(path, fresh, now=NOW, max_age=day)
    (note,) = cached_catalogue(path, down, now=NOW + 5 * day, max_age=day).notes
    assert note.startswith("prices are 5 days old")
    assert "GetProducts" in note


def test_without_kept_prices_a_source_that_is_down_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        cached_catalogue(tmp_path / "prices.json", down, now=NOW, max_age=timedelta(days=1))


def test_a_broken_cache_is_fetched_anew_and_said(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text("{", encoding="utf-8")
    found = cached_catalogue(path, fresh, now=NOW, max_age=timedelta(days=1))
    assert "not readable" in found.notes[0]
    assert cached_catalogue(path, down, now=NOW, max_age=timedelta(days=1)).notes == ()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not the kept prices"):
        cached_catalogue(path, down, now=NOW, max_age=timedelta(days=1))


def test_prices_kept_at_a_time_to_come_are_fetched_anew_and_of_unknown_age_where_that_fails(tmp_path: Path) -> None:
    path, day = tmp_path / "prices.json", timedelta(days=1)
    cached_catalogue(path, fresh, now=NOW + 400 * day, max_age=day)
    (note,) = cached_catalogue(path, down, now=NOW, max_age=day).notes
    assert "fetched at 2027-12-29T12:00:00+00:00, which is in the future: their age is unknown" in note
    cached_catalogue(path, fresh, now=NOW, max_age=day)
    assert cached_catalogue(path, down, now=NOW, max_age=day).notes == ()


def test_kept_prices_whose_time_has_no_zone_are_not_the_kept_prices(tmp_path: Path) -> None:
    path, day = tmp_path / "prices.json", timedelta(days=1)
    cached_catalogue(path, fresh, now=NOW, max_age=day)
    path.write_text(path.read_text().replace("+00:00", ""))
    with pytest.raises(InputError, match="not the kept prices"):
        cached_catalogue(path, down, now=NOW, max_age=day)
