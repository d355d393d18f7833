"""Whether promotion is justified, from worked examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.record.entries import Scored, ScoredClass
from reconciler.report.shadow import ShadowReport, shadow_report, verdict

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def window(day: int, *, usd: tuple[float, float] = (20.0, 30.0), late: float = 5.0, known: int = 24) -> Scored:
    gold = ScoredClass(promised_share=0.01, requests=1000.0, late_shadow=late, late_actual=0.0)
    start = START + day * DAY
    return Scored(
        at=start + DAY,
        event="scored",
        plan=f"p{day}",
        start=start,
        end=start + DAY,
        steps=24,
        known_steps=known,
        usd=usd,
        classes={"gold": gold},
    )


def week(**changes: object) -> ShadowReport:
    return shadow_report([window(day, **changes) for day in range(7)], least=7 * DAY)  # type: ignore[arg-type]


def test_a_week_within_its_promises_and_no_dearer_justifies_a_promotion() -> None:
    found = week()
    assert found.justified
    assert (found.windows, found.hours, found.usd_shadow, found.usd_actual) == (7, 168.0, 140.0, 210.0)
    assert found.classes[0].shadow_share == 0.005
    assert verdict(found).startswith("Promotion is justified")
    assert week(usd=(30.0, 30.0)).justified, "equal cost is enough"


def test_each_rule_alone_speaks_against_it() -> None:
    assert week(late=11.0).against == ("gold would have 1.1 % late requests, and 1.0 % are promised",)
    assert week(usd=(31.0, 30.0)).against == ("the shadow plans cost $217.00, and what ran cost $210.00",)
    assert week(known=23).against == ("the scored windows cover 161.0 hours, and 168 are needed",)


def test_promises_hold_over_all_windows_not_in_each() -> None:
    entries = [window(day, late=40.0 if day == 3 else 0.0) for day in range(7)]
    assert shadow_report(entries, least=7 * DAY).justified


def test_without_windows_nothing_is_justified() -> None:
    assert not shadow_report([], least=7 * DAY).justified
