"""Priors: group before pool before default, wide, and said which."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.demand import LEVELS
from forecaster.series.prior import default_prior, priors, unknown_user

LOW, MIDDLE, HIGH = LEVELS.index(0.05), LEVELS.index(0.5), LEVELS.index(0.95)


def test_the_group_speaks_first_then_the_pool_then_the_default() -> None:
    rng = np.random.default_rng(0)
    panel = rng.poisson(np.array([100, 100, 5, 5])[:, None], size=(4, 50)).astype(float)
    found = priors(panel, ["gold", "gold", "bronze", "bronze"], LEVELS)
    assert found["gold"].source == "group gold"
    assert 80 < found["gold"].quantiles[MIDDLE] < 120
    assert 2 < found["bronze"].quantiles[MIDDLE] < 8
    alone = priors(panel, ["gold", "gold", "bronze", "silver"], LEVELS)
    assert (alone["silver"].source, alone["bronze"].source) == ("pool", "pool")
    empty = priors(np.full((3, 50), np.nan), ["a", "a", "b"], LEVELS, level=7.0)
    assert empty["a"].source == "default"
    assert np.isclose(empty["a"].quantiles[MIDDLE], 7.0)


def test_a_prior_covers_a_series_that_it_never_saw() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(200):
        means = np.exp(rng.normal(3, 0.8, size=6))
        panel = rng.poisson(means[:, None] * np.ones(60)).astype(float)
        prior = priors(panel[:5], ["g"] * 5, LEVELS)["g"].quantiles
        inside.append(np.mean((panel[5] >= prior[LOW]) & (panel[5] <= prior[HIGH])))
    assert np.mean(inside) > 0.75


def test_the_default_is_wide() -> None:
    prior = default_prior(LEVELS)
    assert prior.quantiles[HIGH] / prior.quantiles[LOW] > 100
    assert (np.diff(prior.quantiles) > 0).all()


def test_an_unknown_user_may_be_any_known_one_or_larger() -> None:
    paths = np.stack([np.full((100, 3), 2.0), np.full((100, 3), 50.0)])
    quantiles = unknown_user(paths, LEVELS, np.random.default_rng(2))
    assert quantiles.shape == (3, len(LEVELS))
    assert quantiles[0, LOW] <= 2.0
    assert quantiles[0, HIGH] >= 50.0
    assert (np.diff(quantiles, axis=1) >= 0).all()


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_an_unknown_user_is_uncertain_however_steady_the_known_ones_are(level: float) -> None:
    spans = []
    for users in (1, 4, 40):
        rows = unknown_user(np.full((users, 100, 3), level), LEVELS, np.random.default_rng(2))
        assert (np.diff(rows, axis=1) >= 0).all()
        assert rows[0, LOW] <= level < rows[0, HIGH]
        spans.append(rows[0, HIGH] - rows[0, LOW])
    assert spans == sorted(spans, reverse=True), "the more users are known, the more is known of another one"
    assert spans[0] > 10 * spans[2]
