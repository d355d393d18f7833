"""What an AWS account has committed to already: asked at every plan, the last answer kept for when AWS does not answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.adapters.files import read_text, write_json
from reconciler.errors import InputError, Unavailable
from reconciler.fleet.file import Fleet
from reconciler.prices.catalogue import Catalogue
from stacks.contract import Commitment, Reservation
from stacks.yaml_text import load_json

#: What the account holds: reserved instances, and capacity reservations that are not the stack's own.
Asked = Callable[[], tuple[Sequence[Commitment], Sequence[Reservation]]]


@dataclass(frozen=True, kw_only=True)
class Held:
    """The fleet with what is committed filled in, and sentences for the plan."""

    fleet: Fleet
    notes: tuple[str, ...] = ()


def with_held(fleet: Fleet, catalogue: Catalogue, *, ask: Asked, kept: Path, now: datetime) -> Held:
    """Fill in the commitments of a fleet that leaves them to AWS (`commitments_from: aws`); others pass as they are.

    Args:
        catalogue: for the on-demand price, at which a capacity reservation is paid.
        ask: the account. kept: file of the last answer. now: the wall clock, aware.

    Raises:
        Unavailable: AWS does not answer and nothing is kept.
        InputError: a commitment is paid in another currency.
    """
    if fleet.tiers.warm.commitments_from != "aws":
        return Held(fleet=fleet)
    notes: tuple[str, ...] = ()
    try:
        found = _of_fleet(fleet, catalogue, *ask())
        write_json(kept, {"asked_at": now.isoformat(), "commitments": [c.model_dump(mode="json") for c in found]})
    except Unavailable as error:
        known = _kept(kept)
        if known is None:
            raise
        asked_at, found = known
        notes = (f"commitments are as of {asked_at} ({error})",)
    warm = fleet.tiers.warm.model_copy(update={"commitments": found})
    tiers = fleet.tiers.model_copy(update={"warm": warm})
    return Held(fleet=fleet.model_copy(update={"tiers": tiers}), notes=notes)


def account(fleet: Fleet, *, project: str, stack: str) -> Asked:
    """The account of the fleet's region; the stack's own reservations, known by their tags, are left out."""

    def ask() -> tuple[Sequence[Commitment], Sequence[Reservation]]:
        from botocore.exceptions import BotoCoreError

        from reconciler.adapters.prices.aws import client, commitments, reservations

        region = fleet.config.get("aws:region", "")
        if not isinstance(region, str) or not region:
            raise InputError(
                "fleet.yaml, tiers.warm.commitments_from",
                "`aws` needs the region.",
                "Set `config: {aws:region: …}`, or list the commitments.",
            )
        try:
            ec2 = client("ec2", region)
        except BotoCoreError as error:
            raise Unavailable(f"AWS commitments cannot be read: {error}") from error
        return commitments(ec2), reservations(ec2, own={"project": project, "stack": stack})

    return ask


def _of_fleet(
    fleet: Fleet, catalogue: Catalogue, reserved: Sequence[Commitment], capacity: Sequence[Reservation]
) -> tuple[Commitment, ...]:
    """Of the fleet's warm types: reserved instances, and capacity reserved beyond them, which is paid on demand."""
    found = [c for c in reserved if c.instance_type in fleet.tiers.warm.instance_types]
    covered = Counter[str]()
    for c in found:
        covered[c.instance_type] += c.count
    held = Counter[str]()
    for r in capacity:
        held[r.instance_type] += r.count
    for name in fleet.tiers.warm.instance_types:
        if held[name] > covered[name]:
            price = catalogue.price(name, "on_demand")
            found.append(Commitment(instance_type=name, count=held[name] - covered[name], usd_per_hour=price))
    return tuple(found)


def _kept(path: Path) -> tuple[str, tuple[Commitment, ...]] | None:
    if not path.exists():
        return None
    try:
        raw = load_json(read_text(path, "kept commitments"))
        return str(raw["asked_at"]), tuple(Commitment.model_validate(c) for c in raw["commitments"])
    except (ValueError, KeyError, TypeError):
        return None
