"""The price catalogue: instance types with sizes and prices, as a file that can be pinned by digest.

A missing price is an error when it is needed, never zero. Prices are USD/hour. A catalogue in another currency is refused,
not converted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property, lru_cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from reconciler.errors import InputError, PriceMissing, UnknownType
from stacks.contract_base import ContractModel, Positive
from stacks.faults import faults, located
from stacks.yaml_text import NOWHERE, Places, TextFault, at, load_yaml


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a price, not true or false")
    return value


Usd = Annotated[float, BeforeValidator(_no_truth_value), Field(gt=0)]
Market = Literal["on_demand", "spot", "committed_1yr", "committed_3yr"]


class Boot(ContractModel):
    """Time from launch to serving, seconds."""

    mean_seconds: Annotated[float, Field(gt=0)]
    p95_seconds: Annotated[float, Field(gt=0)]


class MarketPrices(ContractModel):
    """USD/hour of one instance by market; absent if the market does not offer it or the price is unknown."""

    on_demand: Usd | None = None
    spot: Usd | None = None
    committed_1yr: Usd | None = None
    committed_3yr: Usd | None = None


class InstanceType(ContractModel):
    """One instance type."""

    vcpu: Positive
    memory_mib: Positive
    network_mbps: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Baseline bandwidth. Absent: no constraint."
    )
    boot: Boot | None = Field(None, description="Absent: the catalogue's `default_boot`.")
    usd_per_hour: MarketPrices
    interruption_per_month: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="Share of spot instances interrupted in a month, by zone; '*' for any zone."
    )


class VolumePrices(ContractModel):
    """USD/month of one volume type; IOPS and throughput (MiB/s) beyond the free ones. Absent: can't be provisioned."""

    usd_per_gib_month: Usd
    usd_per_iops_month: Usd | None = None
    free_iops: Annotated[int, Field(ge=0)] = 0
    usd_per_mibps_month: Usd | None = None
    free_mibps: Annotated[int, Field(ge=0)] = 0


class Catalogue(ContractModel):
    """Instance types of one region with their prices, and the prices of storage, load balancers and own hosts."""

    schema_version: Literal[1] = 1
    source: str = Field(description="Where the data comes from. The plan shows it.")
    taken_on: date = Field(description="Date of the oldest price in the catalogue.")
    currency: str = "USD"
    region: str
    types: dict[str, InstanceType] = Field(min_length=1)
    default_boot: Boot
    storage_usd_per_gib_month: Usd
    load_balancer_usd_per_hour: Usd
    default_root_gib: Positive = Field(8, description="Root volume if a launch keeps the image's own size, GiB.")
    volumes: dict[str, VolumePrices] = Field(
        default_factory=dict, description="Volume type → prices; the policies refuse a type that is not here."
    )
    hypervisor_usd_per_hour: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="Running cost of own hosts (power, space) if known. It is sunk."
    )

    @cached_property
    def _digest(self) -> str:
        contents = self.model_dump(mode="json")
        if not self.volumes:  # catalogues of before volumes had prices keep their digest
            del contents["volumes"]
        text = json.dumps(contents, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def digest(self) -> str:
        """SHA-256 of the contents, independent of the file's layout. A policy pack pins it."""
        return self._digest

    def type(self, name: str) -> InstanceType:
        """The instance type of that name, or `UnknownType`."""
        try:
            return self.types[name]
        except KeyError:
            raise UnknownType(name, sorted(self.types)) from None

    def price(self, name: str, market: Market) -> float:
        """USD/hour of one instance. Raises `PriceMissing` if the catalogue has no price, so nothing is free by omission."""
        price = getattr(self.type(name).usd_per_hour, market)
        if price is None:
            raise PriceMissing(name, market, self.source)
        return float(price)

    def offers(self, name: str, market: Market) -> bool:
        """Whether the type has a price in that market."""
        return getattr(self.type(name).usd_per_hour, market) is not None

    def volume(self, kind: str) -> VolumePrices:
        """Prices of a volume type, or `PriceMissing`."""
        if kind not in self.volumes:
            raise PriceMissing(f"{kind} volume", "GiB-month", self.source)
        return self.volumes[kind]

    def volume_usd_per_month(self, kind: str, *, iops: int | None, mibps: int | None) -> float:
        """USD/month of what is provisioned beyond the free IOPS and throughput; `PriceMissing` where it has no price."""
        prices = self.volume(kind)
        total = 0.0
        for given, free, price, what in (
            (iops, prices.free_iops, prices.usd_per_iops_month, "IOPS-month"),
            (mibps, prices.free_mibps, prices.usd_per_mibps_month, "MiB/s-month"),
        ):
            more = max((given or 0) - free, 0)
            if more and price is None:
                raise PriceMissing(f"{kind} volume", what, self.source)
            total += more * (price or 0.0)
        return total

    def boot(self, name: str) -> Boot:
        """Boot time of the type, or the catalogue's default."""
        return self.type(name).boot or self.default_boot

    def interruption(self, name: str, zone: str = "*") -> float:
        """Share of the type's spot instances in the zone that are interrupted per month. Raises `PriceMissing` if unknown."""
        rates = self.type(name).interruption_per_month
        if zone in rates or "*" in rates:
            return rates.get(zone, rates.get("*", 0.0))
        raise PriceMissing(name, "interruption rate", self.source)


def parse_catalogue(raw: Mapping[str, Any], location: str, places: Places = NOWHERE) -> Catalogue:
    """Validate a catalogue read from a file; keys may be snake_case or camelCase. `places` are those of its keys.

    Raises:
        InputError: a price is zero or negative, the currency is not USD, a key is unknown or missing. The message names
            the file, the line and the key of the first mistake.
    """
    currency = raw.get("currency", "USD")
    if currency != "USD":
        raise InputError(
            f"{location}: currency",
            f"the catalogue is in {currency!r}, expected USD.",
            "Convert the prices to USD with the rate of your choice and set currency: USD.",
        )
    try:
        return Catalogue.model_validate(dict(raw))
    except ValidationError as error:
        first, *rest = faults(error, raw, Catalogue)
        found: Any = raw
        for part in first.path:
            found = at(found, part)
        shown = "" if found is None or isinstance(found, Mapping) else f", found {found!r}"
        more = f" ({len(rest)} more mistakes follow.)" if rest else ""
        where, problem = located([replace(first, words=f"{first.words}{shown}")], location, places)
        unpriced = "Correct the price, or remove it if it is unknown. Never write 0."
        remedy = (
            unpriced if "usd_per_hour" in first.path and found is not None else "Correct the catalogue at this key."
        )
        raise InputError(where, f"{problem}{more}", remedy) from None


def load_catalogue(text: str, location: str) -> Catalogue:
    """Parse the text of a catalogue file (YAML, of which JSON is a part); `location` names it in errors.

    The file may also hold kept prices (a catalogue with the time of fetching). A policy pack can thus pin the prices that a
    plan was made with.
    """
    try:
        raw = load_yaml(text)
    except TextFault as error:
        raise InputError(f"{location}{error.place}", f"{error.problem}.", error.remedy) from None
    if not isinstance(raw, Mapping):
        raise InputError(
            location, f"expected a mapping with `types`, found {type(raw).__name__}.", "Name a catalogue file."
        )
    kept = raw.get("catalogue") if raw.keys() == {"catalogue", "fetched_at"} else None
    if isinstance(kept, Mapping):
        return parse_catalogue(kept, location)
    return parse_catalogue(raw, location, Places(text))


@lru_cache(maxsize=1)
def builtin() -> Catalogue:
    """The small dated table that the package contains, for a start without a cloud account."""
    text = resources.files("reconciler.prices").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return load_catalogue(text, "built-in catalogue")
