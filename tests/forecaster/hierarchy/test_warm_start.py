"""The global net on a panel: trained where that is worth it, speaking only about what came later, kept and renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import forecaster.hierarchy.warm_start
from forecaster.errors import ModelStoreError
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.hierarchy.warm_start import Net, WarmStart, warmed
from forecaster.models.lstm import pretrained
from forecaster.plbm import PLBM
from forecaster.plbm.serialise import from_files, to_files

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = WarmStart(series=3, history=timedelta(days=7), draws=300, every=timedelta(days=14))


def panel(series: int, hours: int, seed: int = 0) -> np.ndarray:
    """Daily waves of several sizes."""
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(hours) / 24)
    return np.random.default_rng(seed).poisson(np.outer(np.arange(1, series + 1) * 8, wave)).astype(float)


def looked_at(values: np.ndarray, known: Net | None = None, rules: WarmStart = RULES) -> Net:
    return warmed(known or Net(), list(values), start=START, step=HOUR, timezone="UTC", rules=rules, seed=0)


def test_a_small_or_short_panel_keeps_the_pretrained_net_and_says_why() -> None:
    for values in (panel(2, 24 * 30), panel(9, 24 * 5), np.zeros((9, 24 * 30))):
        net = looked_at(values)
        assert net.net is None
        assert net.said.startswith("3 series of 7 days are needed, ")


def test_without_keras_the_pretrained_net_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecaster.hierarchy.warm_start, "NEEDED", ("no_such_module",))
    net = looked_at(panel(5, 24 * 20))
    assert net.net is None
    assert "(the extra `lstm`) is not installed" in net.said


def test_a_trained_stage_speaks_only_about_what_came_after_it() -> None:
    net = looked_at(panel(5, 24 * 20)).net
    assert net is not None
    first, *later = (stage.since for stage in net.stages)
    assert first == pretrained().stages[0].since, "about the beginning the pretrained weights speak"
    begin = int(START.timestamp())
    assert later == [begin + 12 * 86_400, begin + 20 * 86_400]


def test_a_stage_is_added_when_the_newest_is_old_and_stages_that_can_t_speak_are_dropped() -> None:
    first = looked_at(panel(5, 24 * 20))
    assert looked_at(panel(5, 24 * 30), first) is first, "ten days later it is still young"
    later = looked_at(panel(5, 24 * 36), first)
    assert first.net is not None
    assert later.net is not None
    assert later.net.stages[:-1] == first.net.stages
    moved = warmed(
        later, list(panel(5, 24 * 20)), start=START + timedelta(days=40), step=HOUR, timezone="UTC", rules=RULES, seed=0
    )
    assert moved.net is not None
    assert len(moved.net.stages) == 2, "the newest that began before the history, and the new one"


def frame(hours: int, first: int = 0) -> pd.DataFrame:
    rows = panel(4, first + hours)[:, first:]
    times = pd.date_range(START + first * HOUR, periods=hours, freq="h")
    return pd.concat(
        pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": f"a{k}", "requests": row})
        for k, row in enumerate(rows)
    )


def test_a_forecaster_trains_keeps_and_renews_its_net_and_gives_the_same_forecast_again() -> None:
    settings = PlbmSettings(horizon=4, paths=50, warm=RULES)
    plbm = PLBM(settings).train(frame(24 * 10))
    assert plbm.state.net.said == "trained on 5 series up to 2024-01-11 00:00 UTC", "the whole of all is one of them"
    files = to_files(plbm.state)
    assert "net.npz" in files
    again = PLBM.resumed(from_files(files))
    assert again.forecast().digest() == plbm.forecast().digest()
    assert PLBM(settings).train(frame(24 * 10)).forecast().digest() == plbm.forecast().digest()
    other = PLBM(replace(settings, warm=None)).train(frame(24 * 10))
    assert other.state.net.net is None
    assert other.forecast().digest() != plbm.forecast().digest()
    again.update(frame(24 * 15, first=24 * 10))
    assert again.state.net.until == START + timedelta(days=25)
    for content in ({**files, "net.npz": files["net.npz"][:999]}, {k: v for k, v in files.items() if k != "net.npz"}):
        with pytest.raises(ModelStoreError):
            from_files(content)
