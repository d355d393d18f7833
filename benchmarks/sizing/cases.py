"""Run the one-pool walk over a folder of cases and leave the files that a scorer reads.

`python -m benchmarks.sizing.cases CASES OUT [NAME …]`: CASES holds `index.csv` (name, step_s, lead, unit, test_start) and
`NAME.truth.csv.gz`; OUT gets `NAME.alloc.askK.csv` for shares from 0.05 % to 7 %, `NAME.alloc.riskK.csv` for one risk all along
(the knob of our frontier, as the peers have theirs) and `NAME.forecast.csv`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from reconciler.cli.backtest import command

#: Promised shares in percent: those of 1 % and 0.1 %, and more between and around them.
PROMISES = ("1", "0.1", "0.05", "0.15", "0.2", "0.3", "0.5", "0.7", "1.5", "2", "3", "4", "5", "7")

#: Risks that span the frontier.
RISKS = tuple(f"{risk:.3g}" for risk in np.geomspace(1e-6, 0.9, 56))


def run(cases: Path, out: Path, names: list[str], promises: tuple[str, ...] = PROMISES) -> None:
    """Walk each named case (all of them when none is named)."""
    index = pd.read_csv(cases / "index.csv", dtype=str).set_index("name").to_dict("index")
    out.mkdir(parents=True, exist_ok=True)
    for name in names or [str(name) for name in index]:
        begun = time.perf_counter()
        case = index[name]
        arguments = ["--history", str(cases / f"{name}.truth.csv.gz"), "--pool", "--unit", case["unit"]]
        arguments += ["--lead", case["lead"], "--from", case["test_start"]]
        arguments += ["--allocations", str(out / f"{name}.csv"), "--forecasts", str(out / f"{name}.forecast.csv")]
        arguments += [part for share in promises for part in ("--ask", f"{share}%")]
        arguments += [part for risk in RISKS for part in ("--risk", risk)]
        command.main(args=arguments, standalone_mode=False)
        for share in promises:
            (out / f"{name}.{share}%.csv").replace(out / f"{name}.alloc.ask{share}.csv")
        for risk in RISKS:
            (out / f"{name}.risk-{risk}.csv").replace(out / f"{name}.alloc.risk{risk}.csv")
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
