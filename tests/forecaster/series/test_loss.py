"""The pinball loss."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.series.loss import pinball


def test_pinball_charges_the_level_above_and_its_complement_below() -> None:
    # y = 10; f = 8: q·2; f = 13: (1 - q)·3.
    made = pinball(np.array([10.0, 10.0]), np.array([[8.0, 8.0], [13.0, 13.0]]), np.array([0.9, 0.5]))
    assert made == pytest.approx(np.array([[1.8, 1.0], [0.3, 1.5]]))


def test_the_loss_of_several_experts_is_that_of_each_and_unknown_values_have_none() -> None:
    values, levels = np.array([10.0, np.nan]), np.array([0.9, 0.5])
    experts = np.array([[[8.0, 8.0], [8.0, 8.0]], [[13.0, 13.0], [13.0, 13.0]]])
    made = pinball(values, experts, levels)
    assert made[:, 0] == pytest.approx(np.array([[1.8, 1.0], [0.3, 1.5]]))
    assert np.isnan(made[:, 1]).all()
