"""The catalogue: facts with their date, and never a silent zero."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.errors import InputError, PriceMissing, UnknownType
from reconciler.prices.age import days_old
from reconciler.prices.catalogue import builtin, load_catalogue, parse_catalogue


@pytest.fixture
def raw() -> dict[str, Any]:
    return {
        "source": "test",
        "taken_on": "2026-01-01",
        "region": "us-east-1",
        "storage_usd_per_gib_month": 0.08,
        "load_balancer_usd_per_hour": 0.0225,
        "default_boot": {"mean_seconds": 60, "p95_seconds": 120},
        "types": {
            "m5.large": {
                "vcpu": 2,
                "memory_mib": 8192,
                "usd_per_hour": {"on_demand": 0.096, "spot": 0.03},
                "interruption_per_month": {"*": 0.05, "us-east-1a": 0.2},
            }
        },
    }


def test_the_built_in_table_has_facts_source_and_date() -> None:
    table = builtin()
    assert table.currency == "USD"
    assert len(table.types) >= 15
    assert "2026-07-20" in table.source
    assert table.price("m5.large", "on_demand") == 0.096
    assert days_old(table.taken_on, datetime(2025, 7, 28, tzinfo=UTC)) == 30


def test_a_committed_price_that_nobody_knows_is_an_error_not_a_zero() -> None:
    with pytest.raises(PriceMissing, match=r"no committed 1yr price for 'm5\.large'"):
        builtin().price("m5.large", "committed_1yr")


def test_an_unknown_type_is_named_with_its_relatives() -> None:
    with pytest.raises(UnknownType, match=r"m5.mega.*m5.large"):
        builtin().price("m5.mega", "spot")


@pytest.mark.parametrize(("market", "price"), [("on_demand", 0), ("spot", -0.1), ("spot", "cheap"), ("spot", True)])
def test_a_price_that_is_no_price_names_file_and_key(raw: dict[str, Any], market: str, price: object) -> None:
    raw["types"]["m5.large"]["usd_per_hour"][market] = price
    with pytest.raises(InputError, match=rf"prices.yaml: types.m5.large.usd_per_hour.{market}"):
        parse_catalogue(raw, "prices.yaml")


def test_a_boot_time_without_end_is_refused(raw: dict[str, Any]) -> None:
    raw["default_boot"]["mean_seconds"] = float("inf")
    with pytest.raises(InputError, match=r"prices.yaml: default_boot.mean_seconds"):
        parse_catalogue(raw, "prices.yaml")


def test_a_fact_that_is_missing_is_named_as_the_file_writes_it(raw: dict[str, Any]) -> None:
    (name,) = raw["types"]
    del raw["types"][name]["usd_per_hour"]
    with pytest.raises(InputError, match=rf"prices.yaml: types.{name}.usd_per_hour: is missing"):
        parse_catalogue(raw, "prices.yaml")


def test_another_currency_is_refused_with_what_to_do(raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"in 'EUR', expected USD\. Convert"):
        parse_catalogue({**raw, "currency": "EUR"}, "prices.yaml")


def test_unknown_keys_and_bad_yaml_name_the_place(raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="colour"):
        parse_catalogue({**raw, "colour": "red"}, "prices.yaml")
    with pytest.raises(InputError, match=r"prices.yaml, line 3: not valid YAML"):
        load_catalogue("a: 1\nb: [\n", "prices.yaml")
    with pytest.raises(InputError, match="expected a mapping"):
        load_catalogue("- 1", "prices.yaml")


def test_the_digest_is_of_the_facts_not_of_the_layout(raw: dict[str, Any]) -> None:
    one = parse_catalogue(raw, "a")
    shuffled = dict(reversed(list(raw.items())))
    assert load_catalogue(json.dumps(shuffled), "b").digest() == one.digest()
    other = copy.deepcopy(raw)
    other["types"]["m5.large"]["usd_per_hour"]["spot"] = 0.031
    assert parse_catalogue(other, "a").digest() != one.digest()


def test_interruptions_are_per_zone_with_a_default(raw: dict[str, Any]) -> None:
    table = parse_catalogue(raw, "a")
    assert table.interruption("m5.large", "us-east-1a") == 0.2
    assert table.interruption("m5.large", "us-east-1b") == 0.05
    raw["types"]["m5.large"].pop("interruption_per_month")
    with pytest.raises(PriceMissing, match="interruption rate"):
        parse_catalogue(raw, "a").interruption("m5.large")


def test_a_type_without_a_boot_time_has_the_default(raw: dict[str, Any]) -> None:
    assert parse_catalogue(raw, "a").boot("m5.large").p95_seconds == 120
