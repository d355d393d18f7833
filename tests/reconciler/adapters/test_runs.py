"""Kept inputs are bounded in size, number and age, whole or not there, and hold no secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from reconciler.adapters import runs
from reconciler.adapters.runs import read_run, write_run
from reconciler.errors import InputError
from reconciler.plan.kept_inputs import RunInputs

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)


def inputs(plan: str = "ab12", steps: int = 12, **document: Any) -> RunInputs:
    paths = np.random.default_rng(1).gamma(2.0, 3.0, (1000, 3, steps))
    return RunInputs(document={"version": 1, "expected": {"id": plan}, **document}, paths=paths)


def test_inputs_come_back_to_the_last_bit_by_the_first_digits_of_the_plan(tmp_path: Path) -> None:
    made = inputs(values=[0.1 + 0.2, float("inf"), 1e-17], order={"b": 1, "a": 2})
    kept = write_run(tmp_path, made, now=NOW)
    assert kept is not None
    assert (kept.file, kept.paths) == ("ab12.zip", "exact")
    found, file = read_run(tmp_path, "ab")
    assert file == tmp_path / "ab12.zip"
    assert found.document == made.document
    assert list(found.document["order"]) == ["b", "a"]
    assert_array_equal(found.paths, made.paths, strict=True)


def test_equal_inputs_have_equal_bytes(tmp_path: Path) -> None:
    write_run(tmp_path, inputs(), now=NOW)
    first = (tmp_path / "ab12.zip").read_bytes()
    write_run(tmp_path, inputs(), now=NOW + DAY)
    assert (tmp_path / "ab12.zip").read_bytes() == first


@pytest.mark.parametrize(("steps", "precision"), [(12, "exact"), (60, "float32"), (288, "left out")])
def test_no_run_has_more_than_a_megabyte(tmp_path: Path, steps: int, precision: str) -> None:
    kept = write_run(tmp_path, inputs(steps=steps), now=NOW)
    assert kept is not None
    assert kept.paths == precision
    assert kept.bytes == (tmp_path / "ab12.zip").stat().st_size <= runs.MOST_BYTES
    if precision == "left out":
        with pytest.raises(InputError, match="paths were left out"):
            read_run(tmp_path, "ab12")
    else:
        assert read_run(tmp_path, "ab12")[0].paths.dtype == {"exact": "float64"}.get(precision, precision)


def test_a_document_that_is_too_large_alone_is_not_kept(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).random(150_000).tolist()
    assert write_run(tmp_path, inputs(noise=noise), now=NOW) is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_deleted_after_thirty_days(tmp_path: Path) -> None:
    for plan, age in (("a", 31), ("b", 29), ("c", 0)):
        write_run(tmp_path, inputs(plan), now=NOW - age * DAY)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["b", "c"]


def test_the_oldest_are_deleted_where_all_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = write_run(tmp_path, inputs("a"), now=NOW - 3 * DAY)
    assert kept is not None
    monkeypatch.setattr(runs, "MOST_TOTAL", int(2.5 * kept.bytes))
    for plan, age in (("b", 2), ("c", 1), ("d", 0)):
        write_run(tmp_path, inputs(plan), now=NOW - age * DAY)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["c", "d"]


def test_what_seems_to_hold_a_secret_is_not_kept(tmp_path: Path) -> None:
    assert write_run(tmp_path, inputs(snapshot={"notes": ["qemu+ssh://ops:hunter2@hv-a/system"]}), now=NOW) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["ff", "", "../ab", "*", "AB12"])
def test_a_plan_without_inputs_is_one_sentence(tmp_path: Path, prefix: str) -> None:
    write_run(tmp_path, inputs(), now=NOW)
    with pytest.raises(InputError, match="no inputs of a plan whose id starts with"):
        read_run(tmp_path, prefix)


def test_a_prefix_of_two_plans_asks_for_more_digits(tmp_path: Path) -> None:
    write_run(tmp_path, inputs("ab12"), now=NOW)
    write_run(tmp_path, inputs("ab34"), now=NOW)
    with pytest.raises(InputError, match="2 plans have an id that starts with 'ab': ab12, ab34"):
        read_run(tmp_path, "ab")


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, length: int) -> None:
    write_run(tmp_path, inputs(), now=NOW)
    file = tmp_path / "ab12.zip"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match="cannot be read"):
        read_run(tmp_path, "ab12")
