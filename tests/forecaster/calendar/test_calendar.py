"""The calendar: local clocks, holidays, events with declared and learned effects, excluded stretches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.calendar.clock import (
    CalendarEvent,
    DemandCalendar,
    Window,
    excluded_steps,
    features,
    local_clock,
    windows,
)
from forecaster.calendar.effects import applied, effect_of, factors, learned
from forecaster.demand import LEVELS
from forecaster.errors import ForecastError

HOUR = timedelta(hours=1)


def hours(start: str, count: int) -> pd.DatetimeIndex:
    """Hourly index in UTC."""
    return pd.date_range(start, periods=count, freq="h", tz="UTC")


def test_a_pattern_of_the_local_clock_stays_in_place_when_the_clock_changes() -> None:
    index = hours("2024-03-08", 6 * 24)  # New York springs forward on 10 March
    demand = np.asarray(index.tz_convert("America/New_York").hour, dtype=float)
    clock = local_clock(index, HOUR, "America/New_York")
    laid = clock.laid_on(demand)
    local_hours = pd.DatetimeIndex(clock.times(len(laid))).hour.to_numpy()
    known = np.isfinite(laid)
    assert (~known).sum() == 1  # the hour that never was
    np.testing.assert_array_equal(laid[known], local_hours[known])


def test_the_doubled_hour_is_one_local_step_with_the_mean_of_both() -> None:
    index = hours("2024-11-03 04:00", 5)  # 0, 1, 1, 2, 3 o'clock in New York
    clock = local_clock(index, HOUR, "America/New_York")
    assert clock.position.tolist() == [0, 1, 1, 2, 3]
    np.testing.assert_array_equal(clock.laid_on(np.array([1.0, 2, 4, 5, 6])), [1, 3, 5, 6])


def test_a_zone_without_changes_only_shifts() -> None:
    index = hours("2024-06-01", 48)
    clock = local_clock(index, HOUR, "Asia/Kolkata")
    assert clock.position.tolist() == list(range(48))
    assert str(clock.times(1)[0]).startswith("2024-06-01T05:30")


def test_a_holiday_lasts_its_local_day_even_when_that_has_23_hours() -> None:
    calendar = DemandCalendar(timezone="Asia/Jerusalem", country="IL")
    for window in windows(calendar, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)):
        assert window.end - window.start in (23 * HOUR, 24 * HOUR, 25 * HOUR)
    christmas = windows(
        DemandCalendar(timezone="America/New_York", country="US"),
        datetime(2024, 12, 25, tzinfo=UTC),
        datetime(2024, 12, 26, 12, tzinfo=UTC),
    )
    assert [(w.name, w.start.hour, w.kind) for w in christmas] == [("Christmas Day", 5, "holiday")]


def test_features_mark_holidays_their_neighbours_and_events_to_learn() -> None:
    sale = CalendarEvent(name="sale", start=datetime(2024, 7, 3, tzinfo=UTC), end=datetime(2024, 7, 3, 2, tzinfo=UTC))
    names, values = features(DemandCalendar(country="US", events=(sale,)), hours("2024-07-03", 72))
    assert names == ("holiday", "day-before-holiday", "day-after-holiday", "event sale")
    assert values.sum(axis=0).tolist() == [24, 24, 24, 2]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DemandCalendar(timezone="Nowhere/City"), "Nowhere/City"),
        (lambda: DemandCalendar(country="XX"), "no holidays are known for the country 'XX'"),
        (
            lambda: DemandCalendar(
                events=(
                    CalendarEvent(
                        name="x", start=datetime(2024, 1, 2, tzinfo=UTC), end=datetime(2024, 1, 1, tzinfo=UTC)
                    ),
                )
            ),
            "not after its start",
        ),
        (
            lambda: DemandCalendar(
                events=(
                    CalendarEvent(
                        name="x", start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 2, tzinfo=UTC), effect=0
                    ),
                )
            ),
            "must be a finite factor above 0",
        ),
        (
            lambda: DemandCalendar(
                events=(
                    CalendarEvent(
                        name="x",
                        start=datetime(2024, 1, 1, tzinfo=UTC),
                        end=datetime(2024, 1, 2, tzinfo=UTC),
                        effect=float("inf"),
                    ),
                )
            ),
            "must be a finite factor above 0",
        ),
    ],
)
def test_a_calendar_that_can_t_be_is_one_sentence(make: object, said: str) -> None:
    with pytest.raises(ForecastError, match=said):
        make()  # type: ignore[operator]


def test_excluded_stretches_cover_the_steps_that_begin_in_them() -> None:
    index = hours("2024-01-01", 6)
    calendar = DemandCalendar(
        excluded=((datetime(2024, 1, 1, 1, 30, tzinfo=UTC), datetime(2024, 1, 1, 4, tzinfo=UTC)),)
    )
    assert excluded_steps(calendar, index).tolist() == [False, False, True, True, False, False]


def weekly_sales(factor: float, occasions: int) -> tuple[np.ndarray, pd.DatetimeIndex, list[Window]]:
    """Twelve weeks of a daily pattern with a sale of `factor` every second Tuesday from the third week on."""
    index = hours("2024-01-01", 12 * 168)
    demand = 50 + 40 * np.sin(2 * np.pi * np.arange(len(index)) / 24)
    found = []
    for k in range(occasions):
        begin = (2 + 2 * k) * 168 + 24 + 8
        demand[begin : begin + 6] *= factor
        start = index[begin].to_pydatetime()
        found.append(Window(name="sale", kind="event", start=start, end=start + 6 * HOUR, effect=None))
    return demand, index, found


@pytest.mark.parametrize("factor", [3.0, 0.4])
def test_an_effect_is_learned_from_its_occurrences_up_and_down(factor: float) -> None:
    demand, index, past = weekly_sales(factor, 4)
    effect = learned(demand, index, past, week=168)["sale"]
    assert effect.occasions == 4
    assert abs(np.log(effect.factor) - np.log(factor)) < 0.15
    assert (effect.factor - 1) * (factor - 1) > 0


def test_declared_holds_and_the_unknown_is_wide_and_holidays_borrow() -> None:
    demand, index, past = weekly_sales(2.0, 2)
    known = learned(demand, index, past, week=168)
    at = {"start": past[0].start, "end": past[0].end}
    assert effect_of(Window(name="sale", kind="event", effect=5.0, **at), known).source == "declared"
    fresh = effect_of(Window(name="launch", kind="event", effect=None, **at), known)
    assert (fresh.factor, fresh.source) == (1.0, "unknown")
    holiday = [Window(name=w.name, kind="holiday", start=w.start, end=w.end, effect=None) for w in past]
    lent = effect_of(
        Window(name="other day", kind="holiday", effect=None, **at), learned(demand, index, holiday, week=168)
    )
    assert lent.source == "borrowed"
    assert lent.factor > 1.4


def test_dividing_by_the_factors_gives_back_the_usual_demand() -> None:
    demand, index, past = weekly_sales(2.0, 3)
    plain, _, _ = weekly_sales(1.0, 0)
    declared = [Window(name=w.name, kind=w.kind, start=w.start, end=w.end, effect=2.0) for w in past]
    factor, spread = factors(declared, {}, index)
    np.testing.assert_allclose(demand / factor, plain)
    assert not spread.any()


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.floats(0, 100), min_size=len(LEVELS), max_size=len(LEVELS)),
    factor=st.floats(0.1, 10),
    spread=st.floats(0, 1),
)
def test_moved_quantiles_never_cross_and_keep_their_middle(steps: list[float], factor: float, spread: float) -> None:
    before = np.sort(np.array(steps))[None, :]
    after = applied(before, LEVELS, np.array([factor]), np.array([spread]))
    assert (np.diff(after, axis=1) >= 0).all()
    assert (after >= 0).all()
    middle = LEVELS.index(0.5)
    np.testing.assert_allclose(after[0, middle], before[0, middle] * factor, rtol=1e-9)
