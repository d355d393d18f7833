"""A plan's prices: from the source that the fleet names, kept with their age, never a silent zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.prices import source as price_source
from reconciler.adapters.prices.source import priced, priced_types
from reconciler.errors import InputError, PriceMissing, Unavailable
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.plan.notes import commitment_notes
from reconciler.prices.age import stale_notes
from reconciler.prices.catalogue import Catalogue, builtin, parse_catalogue

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def fleet(region: str = "us-east-1", **prices: Any) -> Fleet:
    launch = {"image_id": "ami", "zones": ["us-east-1a"]}
    committed = [{"instance_type": "c5.large", "count": 1, "usd_per_hour": 0.05}]
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "250ms"}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"warm": {"instance_types": ["m5.large"], "launch": launch, "commitments": committed}},
            "prices": prices,
            "config": {"aws:region": region} if region else {},
        },
        "fleet.yaml",
    )


class Source:
    """Stands in for AWS: answers with a catalogue, or does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.answers = True
        self.price: float | None = 0.2
        monkeypatch.setattr(price_source, "_fetched", self)

    def __call__(self, fleet: Fleet, region: str, types: tuple[str, ...], *, base: Path, now: datetime) -> Catalogue:
        self.asked.append(types)
        if not self.answers:
            raise Unavailable("AWS DescribeSpotPriceHistory did not answer: timed out")
        table = builtin()
        one = table.types["m5.large"]
        usd = one.usd_per_hour.model_copy(update={"on_demand": self.price, "spot": None, "committed_1yr": None})
        if self.price is None:
            usd = usd.model_copy(update={"committed_3yr": None})
        known = {name: one.model_copy(update={"usd_per_hour": usd}) for name in types}
        made = table.model_copy(
            update={"source": f"AWS APIs ({region})", "taken_on": now.date(), "types": known, "region": region}
        )
        return parse_catalogue(made.model_dump(mode="json"), "AWS")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Source:
    return Source(monkeypatch)


def test_without_a_source_the_built_in_table_serves_and_nothing_is_asked(tmp_path: Path, aws: Source) -> None:
    for declared in (fleet(), fleet(source="builtin")):
        found = priced(declared, base=tmp_path, kept=tmp_path, now=NOW)
        assert found.catalogue.digest() == builtin().digest()
    assert aws.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_serves_with_or_without_naming_the_source(tmp_path: Path) -> None:
    text = builtin().model_copy(update={"source": "ours"}).model_dump_json(exclude_none=True)
    (tmp_path / "c.yaml").write_text(text)
    for declared in (fleet(catalogue="c.yaml"), fleet(source="file", catalogue="c.yaml")):
        assert priced(declared, base=tmp_path, kept=tmp_path, now=NOW).catalogue.source == "ours"


def test_a_contradiction_is_one_sentence() -> None:
    with pytest.raises(InputError, match="source `file` needs `catalogue`"):
        fleet(source="file")
    with pytest.raises(InputError, match="does not read `catalogue`"):
        fleet(source="builtin", catalogue="c.yaml")
    with pytest.raises(InputError, match=r"prices\.source"):
        fleet(source="azure")


def test_prices_of_aws_are_asked_once_a_day(tmp_path: Path, aws: Source) -> None:
    declared = fleet(source="aws")
    first = priced(declared, base=tmp_path, kept=tmp_path, now=NOW)
    assert first.catalogue.price("m5.large", "on_demand") == 0.2
    aws.price = 0.3
    again = priced(declared, base=tmp_path, kept=tmp_path, now=NOW + timedelta(hours=5))
    assert again.catalogue.digest() == first.catalogue.digest()
    assert aws.asked == [("c5.large", "m5.large")] == [priced_types(declared)]
    later = priced(declared, base=tmp_path, kept=tmp_path, now=NOW + timedelta(hours=25))
    assert later.catalogue.price("m5.large", "on_demand") == 0.3


def test_a_source_that_does_not_answer_leaves_the_kept_prices_with_their_age(tmp_path: Path, aws: Source) -> None:
    declared = fleet(source="aws", max_age="10d")
    priced(declared, base=tmp_path, kept=tmp_path, now=NOW)
    aws.answers = False
    late = NOW + timedelta(days=12)
    found = priced(declared, base=tmp_path, kept=tmp_path, now=late)
    assert found.catalogue.price("m5.large", "on_demand") == 0.2
    assert "12 days old" in found.notes[0]
    assert "did not answer" in found.notes[0]
    (stale,) = stale_notes(found.catalogue, late, declared.prices.max_age)
    assert "12 days old" in stale
    assert stale_notes(found.catalogue, NOW, declared.prices.max_age) == ()


def test_a_source_that_does_not_answer_and_nothing_kept_is_an_error(tmp_path: Path, aws: Source) -> None:
    aws.answers = False
    with pytest.raises(Unavailable, match="did not answer"):
        priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)
    (tmp_path / "prices.us-east-1.json").write_text('{"fetched_at"')
    with pytest.raises(InputError, match="not the kept prices"):
        priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)


def test_a_type_or_region_that_is_not_among_the_kept_prices_is_asked(tmp_path: Path, aws: Source) -> None:
    priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)
    priced(fleet("eu-west-1", source="aws"), base=tmp_path, kept=tmp_path, now=NOW)
    assert len(aws.asked) == 2
    text = (tmp_path / "prices.us-east-1.json").read_text()
    (tmp_path / "prices.us-east-1.json").write_text(text.replace('"c5.large"', '"c5.xlarge"'))
    priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)
    assert len(aws.asked) == 3


def test_a_price_that_aws_does_not_have_is_said_and_never_zero(tmp_path: Path, aws: Source) -> None:
    aws.price = None
    found = priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)
    assert "no price" in found.notes[0]
    with pytest.raises(PriceMissing):
        found.catalogue.price("m5.large", "on_demand")


def test_aws_without_a_region_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the region"):
        priced(fleet("", source="aws"), base=tmp_path, kept=tmp_path, now=NOW)


def test_no_credentials_is_a_source_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="credentials"):
        priced(fleet(source="aws"), base=tmp_path, kept=tmp_path, now=NOW)


def test_old_prices_and_prices_dated_in_the_future_are_said() -> None:
    table = builtin()
    (old,) = stale_notes(table, NOW, timedelta(days=30))
    assert old == f"prices are 514 days old ({table.source}). Prices older than 30 days are stale"
    ahead = table.model_copy(update={"taken_on": NOW.date() + timedelta(days=2)})
    (note,) = stale_notes(ahead, NOW, timedelta(days=30))
    assert "are dated 2026-11-26, which is in the future: their age is unknown" in note
    tomorrow = table.model_copy(update={"taken_on": NOW.date() + timedelta(days=1)})
    assert stale_notes(tomorrow, NOW, timedelta(days=30)) == (), "it is tomorrow already in the east"


def test_what_aws_does_not_tell_is_said_to_be_as_old_as_it_is(tmp_path: Path, aws: Source) -> None:
    found = priced(fleet(source="aws", max_age="30d"), base=tmp_path, kept=tmp_path, now=NOW)
    (note,) = found.notes
    assert note.startswith(
        "volume and load balancer prices, boot times, interruption rates do not come from AWS but from a table of 2025-06"
    )
    text = builtin().model_copy(update={"taken_on": NOW.date()}).model_dump_json(exclude_none=True)
    (tmp_path / "ours.json").write_text(text)
    newer = fleet(source="aws", max_age="30d", catalogue="ours.json")
    assert priced(newer, base=tmp_path, kept=tmp_path, now=NOW).notes == ()


def held(**warm: Any) -> Fleet:
    launch = {"image_id": "ami", "zones": ["us-east-1a"]}
    raw = fleet().model_dump(mode="python")
    raw["tiers"]["warm"] |= {"commitments": (), **warm}
    raw["tiers"]["cold"] |= {"instance_types": ("c5.xlarge",), "launch": launch}
    return Fleet.model_validate(raw)


def test_a_commitment_that_no_plan_can_use_is_said() -> None:
    assert commitment_notes(held(commitments=[{"instance_type": "m5.large", "count": 2, "usd_per_hour": 0.05}])) == ()
    (note,) = commitment_notes(fleet())
    assert note == (
        "tiers.warm.commitments: 1 × c5.large are paid whether used or not, but c5.large is not among "
        "tiers.warm.instance_types, so no group uses them: add the type there, or remove them"
    )
    (note,) = commitment_notes(held(commitments=[{"instance_type": "c5.xlarge", "count": 2, "usd_per_hour": 0.05}]))
    assert "so only the cold tier's on-demand part can use them" in note
    (note,) = commitment_notes(held(reservations=[{"instance_type": "c5.large", "zone": "us-east-1a", "count": 2}]))
    assert note.startswith("tiers.warm.reservations: 2 × c5.large are paid")
    (note,) = commitment_notes(held(commitments=[{"instance_type": "m5.large", "count": 2, "usd_per_hour": 0}]))
    assert "2 × m5.large count as paid in advance, at 0 USD/hour" in note
