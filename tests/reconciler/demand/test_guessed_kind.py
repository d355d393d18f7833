"""A guess of what a row is that changes the load tenfold is an error, never a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.adapters.history.source import read_demand
from reconciler.demand.guessed_kind import refuse_contradicted_guess
from reconciler.demand.lost_data import LastHeard
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet
from tests.reconciler.fleet.test_fleet import small

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fleet(**history: object) -> Fleet:
    return parse_fleet(small(step="1h", history={"paths": ["h.csv"], **history}), "fleet.yaml")


def judged(folder: Path, declared: Fleet, known: float | None, *, per_hour: int = 36, column: str = "") -> None:
    """Judge a day of `per_hour` rows an hour where the last run knew `known` requests/s (None: no memory)."""
    header = ",".join(filter(None, ("timestamp,user_id,application_id", column)))
    value = ",1" if column else ""
    times = [START + k * HOUR / per_hour for k in range(24 * per_hour)]
    (folder / "h.csv").write_text("\n".join([header, *(f"{t.isoformat()},u,a{value}" for t in times)]) + "\n")
    rule = declared.rule("u", "a")
    assert rule is not None
    heard = LastHeard(application="a", qos=rule.qos, until=START, rps=known or 0, mean_rps=known or 0)
    history = read_demand(declared, base=folder, as_of=None)
    refuse_contradicted_guess(declared, history, [heard] if known is not None else [])


@pytest.mark.parametrize("known", [0.11, 0.0009, 50.0])
def test_a_guess_that_changes_the_load_tenfold_up_or_down_is_an_error(tmp_path: Path, known: float) -> None:
    with pytest.raises(InputError) as caught:
        judged(tmp_path, fleet(), known)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/h.csv: its rows were read as events, one request each, since it has no column")
    assert f"would be 0.01 requests/s, and the last run knew {known:.3g}." in text
    assert "Set `history.kind: events` if each row is one request" in text


@pytest.mark.parametrize("known", [None, 0.0011, 0.09, 0.0])
def test_without_a_memory_or_below_tenfold_the_guess_stays_a_note(tmp_path: Path, known: float | None) -> None:
    judged(tmp_path, fleet(), known)


def test_a_declared_kind_or_a_column_that_decides_it_is_no_guess(tmp_path: Path) -> None:
    judged(tmp_path, fleet(kind="events"), 50.0)
    judged(tmp_path, fleet(), 50.0, column="request_id")
    judged(tmp_path, fleet(), 50.0, column="requests", per_hour=1)
