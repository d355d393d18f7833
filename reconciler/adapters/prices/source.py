"""Where the fleet says that prices come from: the built-in table, a file, or AWS with its answers kept on disk."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from reconciler.adapters.files import read_text
from reconciler.adapters.prices.cache import Priced, cached_catalogue
from reconciler.errors import InputError, Unavailable
from reconciler.fleet.file import Fleet, PriceSource
from reconciler.prices.age import stale_notes, supplement_notes
from reconciler.prices.catalogue import Catalogue, builtin, load_catalogue

#: Where AWS's price list API lives; it answers for every region.
_PRICE_LIST_REGION = "us-east-1"


def priced(fleet: Fleet, *, base: Path, kept: Path, now: datetime) -> Priced:
    """The catalogue of a run, with what the plan must say about where it came from.

    Args:
        fleet: source, catalogue file, region. base: folder that relative paths start from.
        kept: folder in which fetched prices are kept, one file per region.
        now: the wall clock.

    Raises:
        InputError: a file is not a catalogue, or the fleet names no region.
        Unavailable: AWS does not answer and nothing is kept.
    """
    said = fleet.prices
    if said.source is not PriceSource.AWS:
        table = declared(fleet, base)
        return Priced(catalogue=table, notes=stale_notes(table, now, said.max_age))
    region = fleet.config.get("aws:region", "")
    if not isinstance(region, str) or not region:
        raise InputError(
            "fleet.yaml, prices.source", "`aws` needs the region.", "Set `config: {aws:region: …}` or another source."
        )
    types = priced_types(fleet)
    found = cached_catalogue(
        kept / f"prices.{region}.json",
        lambda: _fetched(fleet, region, types, base=base, now=now),
        now=now,
        max_age=said.refresh,
        wanted=types,
    )
    unpriced = [name for name in types if not found.catalogue.types[name].usd_per_hour.model_dump(exclude_none=True)]
    notes = (f"AWS has no price in {region} for {', '.join(unpriced)}",) if unpriced else ()
    old = (
        *supplement_notes(declared(fleet, base), now, said.max_age, with_rates=not said.advisor),
        *stale_notes(found.catalogue, now, said.max_age),
    )
    return Priced(catalogue=found.catalogue, notes=(*found.notes, *notes, *old))


def priced_types(fleet: Fleet) -> tuple[str, ...]:
    """The instance types that a plan of this fleet may ask the price of, sorted."""
    warm, cold = fleet.tiers.warm, fleet.tiers.cold
    committed = {c.instance_type for c in warm.commitments} | {r.instance_type for r in warm.reservations}
    return tuple(sorted({*warm.instance_types, *cold.instance_types, *committed}))


def declared(fleet: Fleet, base: Path) -> Catalogue:
    """The catalogue file that the fleet names, or the built-in table."""
    if not fleet.prices.catalogue:
        return builtin()
    path = base / fleet.prices.catalogue
    return load_catalogue(read_text(path, "a price catalogue"), str(path))


def _fetched(fleet: Fleet, region: str, types: tuple[str, ...], *, base: Path, now: datetime) -> Catalogue:
    """Prices by AWS's APIs; botocore is loaded here alone, because most plans do without it."""
    from botocore.exceptions import BotoCoreError

    from reconciler.adapters.prices.aws import advisor_rates, client, fetch_catalogue

    rates = None
    if fleet.prices.advisor:
        path = base / fleet.prices.advisor
        rates = advisor_rates(read_text(path, "the spot advisor's data"), region, str(path))
    try:
        return fetch_catalogue(
            client("ec2", region),
            client("pricing", _PRICE_LIST_REGION),
            region=region,
            types=types,
            now=now,
            base=declared(fleet, base),
            advisor=rates,
        )
    except BotoCoreError as error:
        raise Unavailable(f"AWS prices cannot be read: {error}") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise Unavailable(f"AWS returned prices in an unknown form ({error!r}).") from error
