"""Far tails: which shape they get, how the panel's is found, that a model keeps it and says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from forecaster.hierarchy.pooled_tail import BELIEVED, FEWEST_SERIES, pooled_tail
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.plbm import PLBM
from forecaster.plbm.serialise import from_files, to_files
from forecaster.series.reasons import tail_words
from forecaster.series.tail import DECLARED, PRIOR_SHAPE, TailShape, tail_quantiles

Floats = NDArray[np.float64]
START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = PlbmSettings(horizon=2, paths=50, lstm=False, warm=None, tune=False)


def panel(series: int, *, degrees: float, hours: int = 1000, seed: int = 0) -> list[Floats]:
    """Daily demand at levels from 100 to 10,000 whose noise is Student's t: few degrees of freedom, heavy tails."""
    rng = np.random.default_rng(seed)
    day = 1 + 0.3 * np.sin(2 * np.pi * np.arange(hours) / 24)
    levels = 10 ** np.linspace(2, 4, series)
    return [np.maximum(level * (day + 0.03 * rng.standard_t(degrees, hours)), 0.0) for level in levels]


def rows(panel: list[Floats], start: datetime = START) -> pd.DataFrame:
    index = pd.date_range(start, periods=len(panel[0]), freq="1h")
    frames = [
        pd.DataFrame({"timestamp": index, "user_id": "u", "application_id": f"a{k}", "requests": values})
        for k, values in enumerate(panel)
    ]
    return pd.concat(frames, ignore_index=True)


def test_a_panel_with_heavy_tails_has_a_larger_shape_than_one_with_light_tails() -> None:
    heavy, light = (pooled_tail(panel(20, degrees=d), start=START, step=HOUR) for d in (3.0, 200.0))
    # Student's t with 3 degrees has shape 1/3 far out and less at its 0.95 quantile, the normal distribution approaches 0
    # from below; 200 exceedances weigh as much as the declared 0.1.
    assert heavy.series == light.series == 20
    assert 500 < light.exceedances < 1000
    assert heavy.shape == pytest.approx(0.2, abs=0.06)
    assert light.shape == pytest.approx(0.02, abs=0.03)


def test_the_pooled_shape_is_bounded_whatever_the_series() -> None:
    timetable = [np.where(np.arange(1000) % 24 == 8, 10.0, 0.0) for _ in range(8)]
    rng = np.random.default_rng(5)
    clumped = [values + 50 * (rng.random(1000) < 0.01) * rng.pareto(1.0, 1000) for values in timetable]
    for some in (timetable, clumped):
        assert BELIEVED[0] <= pooled_tail(some, start=START, step=HOUR).shape <= BELIEVED[1]


def test_the_pooled_shape_does_not_depend_on_the_unit_of_a_series() -> None:
    some = panel(8, degrees=4.0)
    larger = [values * (1000.0 if k % 2 else 1.0) for k, values in enumerate(some)]
    first, second = (pooled_tail(one, start=START, step=HOUR) for one in (some, larger))
    assert first.shape == pytest.approx(second.shape, abs=1e-6)


@pytest.mark.parametrize("series", [0, 1, FEWEST_SERIES - 1])
def test_a_panel_that_is_too_small_to_say_keeps_the_declared_shape(series: int) -> None:
    found = pooled_tail(panel(series, degrees=3.0) if series else [], start=START, step=HOUR)
    assert replace(found, until=None) == DECLARED


def test_series_that_are_silent_or_known_for_a_day_only_say_nothing_about_the_tail() -> None:
    some = panel(6, degrees=4.0)
    useless = [np.zeros(1000), np.full(1000, np.nan), np.where(np.arange(1000) < 976, np.nan, some[0])]
    alone, together = (pooled_tail(one, start=START, step=HOUR) for one in (some, [*some, *useless]))
    assert alone == together


def test_half_the_shape_is_the_series_own_at_a_thousand_residuals() -> None:
    # Exponential quantiles: own shape 0, threshold ln 20, mean exceedance 1.
    n = 1000
    ordered = -np.log(1 - (np.arange(n) + 0.5) / n)
    threshold = float(np.quantile(ordered, 0.95))
    over = ordered[ordered > threshold] - threshold
    own = tail_quantiles(ordered, np.array([0.999]), usual=0.0)[0]
    assert own == pytest.approx(np.log(1000), rel=0.03)
    # 50 exceedances weigh as much as the usual shape: 0.5 becomes 0.25, at the same mean.
    pulled = tail_quantiles(ordered, np.array([0.999]), usual=0.5)[0]
    assert pulled == pytest.approx(threshold + over.mean() * 0.75 / 0.25 * (50**0.25 - 1), rel=0.03)


def test_the_fewer_residuals_the_more_a_tail_follows_the_panel() -> None:
    def pull(n: int) -> float:
        ordered = np.sort(np.random.default_rng(1).standard_normal(n))
        heavy, light = (tail_quantiles(ordered, np.array([0.999]), usual=u)[0] for u in (0.5, 0.0))
        return float(heavy / light)

    assert pull(60) > pull(300) > pull(3000) > 1.0


def test_the_reason_says_whose_shape_a_tail_has() -> None:
    pooled = TailShape(shape=0.24, series=30, exceedances=900)
    assert tail_words(2000, pooled) == "from past errors up to the 0.999 quantile"
    assert tail_words(500, pooled) == (
        "from past errors up to the 0.99 quantile, a generalised Pareto distribution beyond "
        "(shape: 33% from this series, 67% pooled over 30 series, 0.24)"
    )
    assert tail_words(60, DECLARED) == (
        "from past errors up to the 0.95 quantile, a generalised Pareto distribution beyond "
        f"(shape: 6% from this series, 94% the default, {PRIOR_SHAPE:.2f})"
    )


def test_a_model_pools_the_tail_of_its_series_keeps_it_and_renews_it_on_schedule() -> None:
    whole = panel(6, degrees=3.0, hours=1100)
    plbm = PLBM(SETTINGS).train(rows([values[:900] for values in whole]))
    first = plbm.state.tail
    assert first.series == 6
    assert first.shape != PRIOR_SHAPE
    assert "pooled over 6 series" in plbm.forecast().reasons[0]
    kept = from_files(to_files(plbm.state))
    assert kept.tail == first
    plbm.update(rows([values[900:924] for values in whole], START + 900 * HOUR))
    assert plbm.state.tail == first
    plbm.update(rows([values[924:] for values in whole], START + 924 * HOUR))
    assert plbm.state.tail.until == START + 1100 * HOUR
    assert plbm.state.tail.shape != first.shape


def test_a_single_series_says_that_its_tail_has_the_default_shape() -> None:
    plbm = PLBM(SETTINGS).train(rows(panel(1, degrees=3.0, hours=700)))
    assert plbm.state.tail.shape == PRIOR_SHAPE
    assert "the default, 0.10" in plbm.forecast().reasons[0]


def test_the_shape_moves_the_far_quantiles_of_a_forecast_and_no_others() -> None:
    (values,) = panel(1, degrees=5.0, hours=400)
    plbm = PLBM(SETTINGS).train(rows([values]))
    light, heavy = (
        PLBM.resumed(replace(plbm.state, tail=TailShape(shape=shape, series=9), fresh={})).forecast()
        for shape in (-0.4, 0.6)
    )
    at = light.levels.index(0.95)
    assert (heavy.quantiles[0, :, -1] > light.quantiles[0, :, -1]).all()
    assert heavy.quantiles[0, :, :at] == pytest.approx(light.quantiles[0, :, :at], rel=0.01)
