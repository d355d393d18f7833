"""The distribution of boot times that a mean and a 95th percentile make."""

from __future__ import annotations

import numpy as np
import pytest

from reconciler.sizing.boot_time import BootTime


def test_draws_have_the_stated_mean_and_95th_percentile_and_depend_on_the_generator_alone() -> None:
    boot = BootTime(p95_s=180, mean_s=90)
    drawn = boot.draw(np.random.default_rng(0), 200_000)
    assert drawn.mean() == pytest.approx(90, rel=0.01)
    assert np.quantile(drawn, 0.95) == pytest.approx(180, rel=0.01)
    assert (drawn > 0).all()
    np.testing.assert_array_equal(drawn, boot.draw(np.random.default_rng(0), 200_000))


def test_a_certain_boot_takes_as_long_every_time() -> None:
    for mean in (30.0, 90.0, 0.0):
        assert (BootTime(p95_s=30, mean_s=mean).draw(np.random.default_rng(0), 5) == 30).all()
    assert (BootTime(p95_s=0, mean_s=90).draw(np.random.default_rng(0), 5) == 0).all()


def test_what_varies_more_than_any_lognormal_keeps_its_95th_percentile() -> None:
    drawn = BootTime(p95_s=9000, mean_s=600).draw(np.random.default_rng(0), 200_000)
    assert np.quantile(drawn, 0.95) == pytest.approx(9000, rel=0.03)
