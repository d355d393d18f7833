"""What later steps that adapt to what a path has shown (scenario bundles) would change in the first decision.

    python -m benchmarks.sizing.bundles [--data FOLDER] [--traces mongo-01 …] [--days 1] [--bundles 5] [--json OUT]

The sizing decides later steps open-loop, and again at every plan. Here one small question is decided both ways at every step
of a walk over the three-tier fixture: warm and spot counts over 40 sample paths, with the promise as a bound on the expected
shortage.

- With bundles, the count of step h may differ between groups of paths: those that the demand of the newest step known at its
  decision tells apart.
- `regret` is the cost of the open-loop first decision, followed by the best adaptive counts, over that of the best decision.
  It is all that bundles could gain.
- `adapting` is how much more the open-loop program believes the horizon to cost.
- Leads are 0 steps (the fixture) and two (boots of ten to fifteen minutes, where a decision binds longer).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fleet.fixture import COMMITTED, HORIZON, SPOT, SPOT_START, WARM_START, Fixture, Floats, fixture
from benchmarks.fleet.run import TRACES, five_minute
from benchmarks.forecast.run import clean
from forecaster.demand import LEVELS
from forecaster.series.paths import paths_from_ranks
from reconciler.sizing.milp import Program

#: Of a start or stop, in steps of running: what churn is priced at, as in the walk of the fixture.
SWITCH = 0.1
PRICES, START_SHARES = (1.0, SPOT), (WARM_START, SPOT_START)
SHARES, LEADS = (0.01, 0.001), (0, 2)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Paths (paths, HORIZON) of demand beyond hot, in instances; counts (2,) that run; lead in steps; promised share."""

    paths: Floats
    running: tuple[float, float]
    committed: int
    lead: int
    allowed: float

    def groups(self, bundles: int) -> list[NDArray[np.int64]]:
        """Per step the group of every path: the rank of its demand in the newest step known when the count was decided."""
        count = len(self.paths)
        out = []
        for h in range(HORIZON):
            known = h - self.lead - 1
            if known < 0:
                out.append(np.zeros(count, dtype=np.int64))
                continue
            rank = np.argsort(np.argsort(self.paths[:, known], kind="stable"), kind="stable")
            out.append(rank * bundles // count)
        return out


def solved(
    question: Question, bundles: int, held: tuple[float, float] | None = None
) -> tuple[float, tuple[float, float]]:
    """Expected cost over the horizon in on-demand instance-steps, and the (warm, spot) counts that are decided now.

    `held` fixes those counts; a shortage beyond the promise costs 100 a step, so that there is always an answer.
    """
    p, groups, n = Program(), question.groups(bundles), len(question.paths)
    columns: list[dict[int, list[int]]] = []
    for h in range(question.lead, HORIZON):
        now = h == question.lead
        columns.append({})
        for group in np.unique(groups[h]):
            share = float(np.mean(groups[h] == group))
            warm, spot = p.column(integer=now), p.column(SPOT * share, integer=now)
            paid = p.column(share)
            p.row([paid, warm], [1, -1], low=-question.committed)
            columns[-1][int(group)] = [warm, spot]
    excess = p.column(100.0)
    shorts: list[int] = []
    for position, h in enumerate(range(question.lead, HORIZON)):
        before = groups[h - 1] if position else np.zeros(n, dtype=np.int64)
        step: list[int] = []
        for pair in dict.fromkeys(zip(before.tolist(), groups[h].tolist(), strict=True)):
            mine = np.flatnonzero((before == pair[0]) & (groups[h] == pair[1]))
            counts, weight = columns[position][pair[1]], len(mine) / n
            ups = []
            for tier in range(2):
                up, down = (p.column(SWITCH * PRICES[tier] * weight) for _ in range(2))
                ups.append(up)
                if position:
                    last = columns[position - 1][pair[0]][tier]
                    p.row([counts[tier], last, up, down], [1, -1, -1, 1], low=0, high=0)
                else:
                    there = question.running[tier]
                    p.row([counts[tier], up, down], [1, -1, 1], low=there, high=there)
            late = [start - 1 if question.lead == 0 else 0.0 for start in START_SHARES]
            for path in mine:
                short = p.column()
                step.append(short)
                p.row([*counts, *ups, short], [1, 1, *late, 1], low=float(question.paths[path, h]))
        if position == 0:
            p.row([*step, excess], [1 / n] * n + [-1.0], high=question.allowed)
        shorts += step
    span = HORIZON - question.lead
    p.row([*shorts, excess], [1 / n] * len(shorts) + [-float(span)], high=question.allowed * span)
    first = columns[0][0]
    if held is not None:
        for column, count in zip(first, held, strict=True):
            p.low[column] = p.high[column] = count
    found = p.solve(gap=1e-6, time_limit_s=20.0)
    return found.objective, (float(round(found.values[first[0]])), float(round(found.values[first[1]])))


def walk(it: Fixture, *, share: float, lead: int, steps: int, bundles: int) -> dict[str, Any]:
    """The figures of one trace, promised share and lead over `steps` decisions; costs without the sunk commitment."""
    running = (float(it.committed), 0.0)
    costs: list[tuple[float, float, float]] = []
    other = 0
    for t in range(it.start, it.start + steps):
        demand = paths_from_ranks(it.ranks, it.quantiles[t], np.asarray(LEVELS))
        question = Question(
            paths=np.maximum(demand - it.hot, 0.0),
            running=running,
            committed=it.committed,
            lead=lead,
            allowed=share * float(demand.mean()),
        )
        believed, chosen = solved(question, 1)
        best, adaptive = solved(question, bundles)
        costs.append((believed, solved(question, bundles, held=chosen)[0], best))
        other += chosen != adaptive
        running = chosen
    sunk = COMMITTED * it.committed * (HORIZON - lead)
    believed, held, best = (sum(column) + sunk * steps for column in zip(*costs, strict=True))
    return {
        "trace": it.name,
        "promised_share": share,
        "lead_steps": lead,
        "decisions": steps,
        "regret": held / best - 1,
        "adapting": believed / best - 1,
        "other_decisions": other / steps,
    }


def main() -> None:
    """Run and print a line per trace, promised share and lead."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing.bundles",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--traces", nargs="+", default=list(TRACES))
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--bundles", type=int, default=5)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    rows = []
    for trace in five_minute(said.data, said.traces):
        it = fixture(trace)
        for lead in LEADS:
            for share in SHARES:
                rows.append(walk(it, share=share, lead=lead, steps=round(said.days * trace.day), bundles=said.bundles))
                print(json.dumps(clean(rows[-1])), flush=True)
    if said.json:
        said.json.write_text(json.dumps(clean({"rows": rows}), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
