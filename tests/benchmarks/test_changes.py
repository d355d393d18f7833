"""A handful of changes with the real engine, hypervisors and cloud: ready capacity, sampled from outside, never falls."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.changes.cases import KINDS, cases
from benchmarks.changes.run import START, Measured, measure
from benchmarks.changes.site import site

pytestmark = [pytest.mark.engine, pytest.mark.lab]


def test_ready_capacity_never_falls_below_what_it_was_and_will_be(tmp_path: Path) -> None:
    with site(tmp_path) as bench:
        found = list(measure(bench, 4, seed=3, say=print))
    for one in found:
        print(one.row())
    assert [one.kind for one in found] == ["grow", "replace", "grow and shrink", "failed create"]
    assert all(one.held for one in found)
    assert all(one.samples >= 3 for one in found)
    # The create that fails costs nothing, and its error says what was kept.
    assert found[-1].before == found[-1].after == found[-1].least
    assert "Not removed: hot-" in found[-1].error


def test_a_sample_below_both_sizes_is_seen() -> None:
    sizes = {"hot": 2, "warm": 2, "cold": 2}
    fell = Measured(
        number=1, kind="replace", before=sizes, least={**sizes, "hot": 1}, after=sizes, samples=9, seconds=9.0
    )
    assert not fell.held
    assert "BELOW" in fell.row()


def test_the_changes_are_the_same_for_a_seed_and_of_every_kind() -> None:
    first, again = list(cases(30, seed=0, start=START)), list(cases(30, seed=0, start=START))
    assert first == again
    assert {case.kind for case in first} == set(KINDS)
