"""PLBM: trains on anything, answers for anybody, keeps itself up to date, and every level sums to the next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecaster.calendar.clock import CalendarEvent, DemandCalendar
from forecaster.demand import LEVELS, DemandForecast, RequestCost
from forecaster.errors import ForecastError
from forecaster.hierarchy.settings import PlbmSettings, RefitRules
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.plbm import PLBM
from forecaster.workload.utilisation import Units

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
LOW, MIDDLE, HIGH = LEVELS.index(0.05), LEVELS.index(0.5), LEVELS.index(0.95)
SETTINGS = PlbmSettings(horizon=6, paths=200)


def series(values: np.ndarray, user: str = "u", application: str = "a", start: datetime = START) -> pd.DataFrame:
    """Hourly rows."""
    times = pd.date_range(start, periods=len(values), freq="h")
    return pd.DataFrame({"timestamp": times, "user_id": user, "application_id": application, "requests": values})


def daily(hours: int, level: float, seed: int = 0) -> np.ndarray:
    """A daily wave with Poisson noise."""
    rng = np.random.default_rng(seed)
    return rng.poisson(level * (1 + 0.6 * np.sin(2 * np.pi * np.arange(hours) / 24))).astype(float)


def fleet_history(hours: int = 240) -> pd.DataFrame:
    """Two applications, one with two users."""
    return pd.concat(
        [
            series(daily(hours, 80, 1)),
            series(daily(hours, 20, 2), user="v"),
            series(daily(hours, 40, 3), application="b"),
        ]
    )


@pytest.fixture(scope="module")
def plbm() -> PLBM:
    return PLBM(SETTINGS).train(fleet_history())


def test_a_forecast_follows_the_day_and_has_honest_intervals(plbm: PLBM) -> None:
    forecast = plbm.forecast()
    assert forecast.applications == ("a", "b")
    assert forecast.cutoff == START + 239 * HOUR
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(240, 246) / 24)
    np.testing.assert_allclose(forecast.quantiles[:, :, MIDDLE], np.outer([100, 40], wave), rtol=0.25)
    assert (forecast.quantiles[:, :, LOW] < forecast.quantiles[:, :, HIGH]).all()


def test_all_levels_are_sums_of_the_same_paths(plbm: PLBM) -> None:
    nodes, users = plbm.forecast(), plbm.forecast(level="user")
    total, labels = plbm.forecast(level="total"), plbm.forecast(level="label")
    assert users.applications == ("u", "v")
    for level in (nodes, users, labels):
        np.testing.assert_allclose(level.paths.sum(axis=1), total.paths[:, 0], rtol=1e-9)
    with pytest.raises(ForecastError, match="unknown level 'planet'; choose one of series, node"):
        plbm.forecast(level="planet")


def test_the_same_history_gives_the_same_forecast(plbm: PLBM) -> None:
    again = PLBM(SETTINGS).train(fleet_history())
    assert again.forecast().digest() == plbm.forecast().digest()


def test_a_prediction_is_in_requests_and_in_resources() -> None:
    cost = RequestCost(vcpu_seconds=0.5, memory_mib=64.0, network_bytes=1000.0)
    plbm = PLBM(SETTINGS).train(fleet_history(), declared={"b": cost})
    one = plbm.predict("u", "b", START + 242.5 * HOUR)
    assert one.timestamp == START + 242 * HOUR
    assert one.vcpu is not None
    assert one.memory_mib is not None
    np.testing.assert_allclose(one.vcpu, one.requests * 0.5 / 3600)
    np.testing.assert_allclose(one.memory_mib, one.vcpu * 64)
    assert one.at(0.5) == one.requests[MIDDLE]
    assert "known steps" in one.reason
    assert one.as_json()["cost_source"] == "declared"
    assert plbm.predict("u", "a", START + 242 * HOUR).vcpu is None


def test_a_user_gets_their_share_of_the_application(plbm: PLBM) -> None:
    large, small = (plbm.predict(user, "a", START + 242 * HOUR) for user in ("u", "v"))
    whole = plbm.forecast().quantiles[0, 2, MIDDLE]
    assert large.requests[MIDDLE] + small.requests[MIDDLE] == pytest.approx(whole, rel=0.15)
    assert 2.5 < large.requests[MIDDLE] / small.requests[MIDDLE] < 6


def test_whom_the_history_does_not_know_gets_a_wide_prior(plbm: PLBM) -> None:
    user = plbm.predict("stranger", "a", START + 242 * HOUR)
    assert (user.model, user.calibrated) == ("prior", False)
    assert user.requests[HIGH] > plbm.predict("v", "a", START + 242 * HOUR).requests[HIGH]
    application = plbm.predict("u", "unheard-of", START + 242 * HOUR)
    assert application.model == "prior"
    assert "not in the history" in application.reason


@pytest.mark.parametrize("rows", [0, 1, 3, 12])
def test_hardly_any_history_is_no_error(rows: int) -> None:
    plbm = PLBM(SETTINGS).train(series(daily(rows, 50)))
    one = plbm.predict("u", "a", START + (rows + 1) * HOUR)
    assert np.isfinite(one.requests).all()
    assert not one.calibrated
    assert one.requests[HIGH] > 3 * max(one.requests[LOW], 0.1)


def test_without_any_row_the_declared_default_is_the_answer_and_wide() -> None:
    plbm = PLBM(PlbmSettings(horizon=6, paths=200, default_level=40.0)).train(series(daily(0, 50)))
    one = plbm.predict("u", "a", START)
    assert one.requests[MIDDLE] == pytest.approx(40.0)
    assert one.requests[HIGH] > 100 * one.requests[LOW]
    assert one.reason.endswith("not in the history: the default prior is used, with wide intervals")
    with pytest.raises(ForecastError, match="has no application yet"):
        plbm.forecast()


def test_an_update_may_leave_what_is_due_for_later() -> None:
    plbm = PLBM(SETTINGS).train(series(daily(240, 60)))
    late = series(daily(190, 60), start=START + 240 * HOUR)
    assert not plbm.update(late, refit=False).refitted
    assert plbm.state.fitted["a"].fitted == START + 240 * HOUR
    assert plbm.forecast().cutoff == START + 429 * HOUR


ODD = {
    "constant": np.full(240, 7.0),
    "all zero": np.zeros(240),
    "one spike": np.where(np.arange(240) == 120, 5000.0, 3.0),
    "NaN-ridden": np.where(np.random.default_rng(0).random(240) < 0.6, np.nan, daily(240, 50)),
    "all missing": np.full(240, np.nan),
    "level shift of 30 x": daily(240, 10) * np.where(np.arange(240) < 120, 1, 30),
    "huge": daily(240, 50) * 1e9,
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_an_odd_series_ends_in_a_forecast(name: str) -> None:
    forecast = PLBM(SETTINGS).train(series(ODD[name])).forecast()
    assert np.isfinite(forecast.quantiles).all()
    assert np.isfinite(forecast.paths).all()
    if name == "constant":
        np.testing.assert_allclose(forecast.quantiles[0, :, MIDDLE], 7.0, rtol=0.05)
    if name == "level shift of 30 x":
        assert forecast.quantiles[0, :, MIDDLE].mean() > 100


def test_a_time_in_the_past_or_too_far_ahead_is_refused_in_one_sentence(plbm: PLBM) -> None:
    for moment, said in [
        (START, "lies in the history, which ends at 2024-01-11"),
        (START + timedelta(days=90), "more than eight weeks after"),
        (datetime(2024, 1, 11, 2), "has no zone"),  # noqa: DTZ001
    ]:
        with pytest.raises(ForecastError, match=said):
            plbm.predict("u", "a", moment)


def test_beyond_the_horizon_a_longer_forecast_is_made() -> None:
    plbm = PLBM(SETTINGS).train(series(daily(240, 60)))
    wave = 60 * (1 + 0.6 * np.sin(2 * np.pi * 258 / 24))
    assert plbm.predict("u", "a", START + 258 * HOUR).requests[MIDDLE] == pytest.approx(wave, rel=0.3)


def test_an_untrained_forecaster_says_so() -> None:
    with pytest.raises(ForecastError, match="call train"):
        PLBM().forecast()


def test_an_update_scores_what_was_forecast_and_fits_nothing_anew() -> None:
    plbm = PLBM(SETTINGS).train(series(daily(264, 60)[:240]))
    before = plbm.state.fitted["a"]
    done = plbm.update(series(daily(264, 60)[240:246], start=START + 240 * HOUR))
    assert (done.rows, done.scored, dict(done.refitted)) == (6, 6, {})
    after = plbm.state.fitted["a"]
    assert after.fitted == before.fitted
    assert after.score.seen == 6
    assert plbm.forecast().cutoff == START + 245 * HOUR


def test_an_event_that_comes_late_is_added_and_a_corrected_count_replaces() -> None:
    def log(start: datetime, count: int) -> pd.DataFrame:
        return pd.DataFrame({"timestamp": [start] * count, "user_id": "u", "application_id": "a"})

    plbm = PLBM(SETTINGS).train(pd.concat([log(START + k * HOUR, 40) for k in range(48)]))
    plbm.update(pd.concat([log(START + 47 * HOUR, 1), log(START + 48 * HOUR, 30)]))
    assert plbm.state.history.total()[-3:].tolist() == [40, 41, 30]
    counts = PLBM(SETTINGS).train(series(daily(48, 60)))
    counts.update(series(np.array([7.0, 8.0]), start=START + 47 * HOUR))
    assert counts.state.history.total()[-2:].tolist() == [7, 8]
    assert counts.state.history.quality.count("conflict") == 1


def test_a_silence_of_a_log_is_an_outage_in_a_frame_and_across_an_update() -> None:
    def log(first: int, last: int, rate: int = 12) -> pd.DataFrame:
        times = [START + k * HOUR + timedelta(minutes=5 * j) for k in range(first, last) for j in range(rate)]
        return pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a"})

    plbm = PLBM(SETTINGS).train(pd.concat([log(0, 60), log(68, 80)]))
    assert np.flatnonzero(np.isnan(plbm.state.history.total())).tolist() == list(range(60, 68))
    plbm.update(log(86, 90))
    assert np.flatnonzero(np.isnan(plbm.state.history.total())).tolist() == [*range(60, 68), *range(80, 86)]
    assert plbm.state.history.quality.count("outage") == 8, "between what is known and newer rows nothing was recorded"


def test_a_level_shift_is_noticed_and_fitted_anew() -> None:
    rules = RefitRules(seen=12.0)
    plbm = PLBM(PlbmSettings(horizon=6, paths=200, refit=rules)).train(series(daily(240, 60)))
    refitted: dict[str, str] = {}
    for k in range(4):
        plbm.forecast()
        start = START + (240 + 6 * k) * HOUR
        refitted |= plbm.update(series(daily(6, 900, seed=k), start=start)).refitted
    assert "a" in refitted
    assert "only" in refitted["a"] or "drifted" in refitted["a"]


def test_a_new_application_is_fitted_and_an_old_fit_renewed_on_schedule() -> None:
    plbm = PLBM(SETTINGS).train(series(daily(240, 60)))
    start = START + 240 * HOUR
    done = plbm.update(
        pd.concat([series(daily(190, 60), start=start), series(daily(190, 9), application="c", start=start)])
    )
    assert done.refitted["c"] == "new series"
    assert done.refitted["a"] == "fitted 7 days ago"
    assert plbm.forecast().applications == ("a", "c")


def test_an_event_moves_the_forecast_up_and_excluded_history_is_not_learned() -> None:
    end = START + 240 * HOUR
    sale = CalendarEvent(name="sale", start=end + 2 * HOUR, end=end + 4 * HOUR, effect=3.0)
    settings = PlbmSettings(horizon=6, paths=200, calendar=DemandCalendar(events=(sale,)))
    plain = PLBM(SETTINGS).train(series(daily(240, 60))).forecast()
    moved = PLBM(settings).train(series(daily(240, 60))).forecast()
    ratio = moved.quantiles[0, :, MIDDLE] / plain.quantiles[0, :, MIDDLE]
    np.testing.assert_allclose(ratio, [1, 1, 3, 3, 1, 1], rtol=0.1)
    assert "sale × 3.00 (declared)" in moved.reasons[0]
    broken = daily(240, 60)
    broken[180:228] = 4000
    stretch = ((START + 180 * HOUR, START + 228 * HOUR),)
    cured = (
        PLBM(PlbmSettings(horizon=6, paths=200, calendar=DemandCalendar(excluded=stretch)))
        .train(series(broken))
        .forecast()
    )
    np.testing.assert_allclose(cured.quantiles[0, :, MIDDLE], plain.quantiles[0, :, MIDDLE], rtol=0.3)


def test_many_sparse_applications_share_one_series_and_still_sum_up() -> None:
    rng = np.random.default_rng(0)
    moments = START + pd.to_timedelta(rng.uniform(0, 240, 3000), unit="h")
    names = [f"s{k:03d}" for k in rng.integers(0, 90, 3000)]
    sparse = pd.DataFrame({"timestamp": moments, "user_id": "u", "application_id": names})
    big = pd.DataFrame(
        {
            "timestamp": START + pd.to_timedelta(rng.uniform(0, 240, 9000), unit="h"),
            "user_id": "u",
            "application_id": "big",
        }
    )
    history: History = history_from_frame(pd.concat([sparse, big]), step=HOUR)
    plbm = PLBM(SETTINGS).train(history)
    assert plbm.structure.series == ("big", "rest of all")
    series = plbm.forecast(level="series")
    assert series.applications == ("big", "rest of all")
    forecast = plbm.forecast()
    np.testing.assert_allclose(forecast.paths.sum(axis=1), series.paths.sum(axis=1), rtol=1e-9)
    assert len(forecast.applications) == 91
    np.testing.assert_allclose(forecast.paths.sum(axis=1), plbm.forecast(level="total").paths[:, 0], rtol=1e-9)
    one = plbm.predict("u", "s007", START + 241 * HOUR)
    assert 0 <= one.requests[MIDDLE] <= 1
    assert one.reason.startswith("its share of rest of all")


def test_a_large_application_that_is_new_among_many_is_not_taken_for_a_sparse_one() -> None:
    few = [series(daily(72, 0.2, seed=k), application=f"few-{k:02d}") for k in range(70)]
    new = series(np.array([40.0, 44.0, 38.0]), application="new", start=START + 69 * HOUR)
    once = series(np.array([3.0]), application="once", start=START + 71 * HOUR)
    plbm = PLBM(PlbmSettings(horizon=2, paths=100, lstm=False)).train(pd.concat([*few, new, once]))
    assert plbm.structure.series == ("new", "rest of all")
    said = plbm.predict("u", "new", START + 73 * HOUR).requests
    assert said[LOW] < 40 < said[HIGH]
    assert said[HIGH] > 80, "three rows say little"


def test_big_users_are_modelled_themselves_and_reconciled() -> None:
    settings = PlbmSettings(horizon=6, paths=200, big_pairs=1)
    plbm = PLBM(settings).train(fleet_history())
    assert [plbm.state.history.pairs[k] for k in plbm.structure.big] == [("u", "a")]
    assert plbm.predict("u", "a", START + 242 * HOUR).reason.startswith("has a model of its own, reconciled to a")
    users = plbm.forecast(level="user")
    np.testing.assert_allclose(users.paths.sum(axis=1), plbm.forecast(level="total").paths[:, 0], rtol=1e-9)


@pytest.mark.parametrize("user", ["big", "small", "tiny", "nobody"])
def test_a_small_user_beside_big_ones_gets_their_own_share(user: str) -> None:
    level = {"big": 60.0, "bigger": 90.0, "small": 6.0, "tiny": 1.0}
    rows = [series(daily(240, mean, seed=k), user=name) for k, (name, mean) in enumerate(level.items())]
    plbm = PLBM(PlbmSettings(horizon=2, paths=400, big_pairs=2, lstm=False)).train(pd.concat(rows))
    pairs = plbm.state.history.pairs
    assert [pairs[k][0] for k in plbm.structure.big] == ["big", "bigger"]
    said = plbm.predict(user, "a", START + 240 * HOUR)
    if user == "nobody":
        assert said.requests[HIGH] > level["big"], "any of the known ones, or larger"
        return
    assert said.requests[MIDDLE] == pytest.approx(level[user], rel=0.25, abs=1)
    asked = plbm.joint_forecast().pair_paths(0, [int(k) for k in plbm.structure.pairs(0)])
    np.testing.assert_allclose(asked.mean(axis=(1, 2)), [level[name] for name, _ in pairs], rtol=0.25, atol=1)


def test_costs_are_learned_from_measured_events_or_from_utilisation() -> None:
    events = pd.DataFrame({"application_id": ["a"] * 20, "program": "p", "cpu_seconds": 0.25})
    plbm = PLBM(SETTINGS).train(fleet_history(), measurements=events)
    assert plbm.costs()["a"].source == "measured"
    assert plbm.costs()["b"].source == "pool"
    values = daily(240, 400)
    used = series(values).assign(cpu=10.0 + values * 0.5 / 3600 / 8 * 100)  # percent of 8 vCPUs
    plbm = PLBM(SETTINGS).train(used, units=Units(vcpus=0.08))
    assert plbm.costs()["a"].source == "utilisation"
    assert plbm.costs()["a"].vcpu_seconds == pytest.approx(0.5, rel=0.02)


def test_recommendations_have_the_interval_of_the_same_decision(plbm: PLBM) -> None:
    def size(forecast: DemandForecast) -> Mapping[tuple[str, str], int]:
        peak = float(np.quantile(forecast.paths.sum(axis=1).max(axis=1), 0.9))
        return {("warm", "m7i.large"): int(np.ceil(peak / 25))}

    (found,) = plbm.get_recommendations(size)
    assert (found.tier, found.instance_type) == ("warm", "m7i.large")
    assert found.low < found.count <= found.high
