"""Ready capacity during changes, sampled from outside every second: the smallest sample against min(before, after).

    python -m benchmarks.changes [--changes 30] [--seed 0] [--json OUT]

Every change is planned, previewed and applied with the real engine, hypervisors and policy pack. `before` and `after` are what
serves before and after it, by tier: VMs that answer HTTP, instances that are InService.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.changes.cases import FleetChange, cases
from benchmarks.changes.sampler import Sampler
from benchmarks.changes.site import Bench, Shape, site
from reconciler.adapters.settle.run import settle_stack
from reconciler.apply import apply_plan, preview_plan
from reconciler.errors import TiercastError

START = Shape(hot=2, warm=2, cold=2)
#: Seconds that the fleet has to reach its sizes after a change, before `after` is read.
SETTLE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One change: ready instances by tier before it, at the least, and after it. `error`: why it failed."""

    number: int
    kind: str
    before: dict[str, int]
    least: dict[str, int]
    after: dict[str, int]
    samples: int
    seconds: float
    error: str = ""

    @property
    def floor(self) -> dict[str, int]:
        """min(before, after) by tier."""
        return {tier: min(self.before[tier], self.after[tier]) for tier in self.before}

    @property
    def held(self) -> bool:
        """Whether no sample fell below it."""
        return all(self.least[tier] >= count for tier, count in self.floor.items())

    def row(self) -> str:
        """One line of the table."""
        cells = [" ".join(f"{d[t]}" for t in ("hot", "warm", "cold")) for d in (self.before, self.after, self.least)]
        word = "held" if self.held else "BELOW"
        failed = "  (failed, as it should)" if self.error else ""
        return (
            f"{self.number:>3}  {self.kind:<16} {cells[0]:>9} {cells[1]:>9} {cells[2]:>9}  {word:<5} "
            f"{self.samples:>4} samples {self.seconds:>5.0f} s{failed}"
        )


def measure(bench: Bench, count: int, *, seed: int, say: Callable[[str], None]) -> Iterator[Measured]:
    """Start the fleet, then carry out so many changes and measure each."""
    _apply(bench, START, say)
    sampler = Sampler(lab=bench.lab)
    _wait(sampler, START)
    for case in cases(count, seed=seed, start=START):
        yield _measured(bench, sampler, case, say)


def _measured(bench: Bench, sampler: Sampler, case: FleetChange, say: Callable[[str], None]) -> Measured:
    before, start, error = sampler.look(), time.monotonic(), ""
    with sampler.running() as least:
        try:
            _apply(bench, case.shape, say)
        except TiercastError as failed:
            error = str(failed)
    if bool(error) != (case.kind == "failed create"):
        raise RuntimeError(f"change {case.number} ({case.kind}): {error or 'it should have failed'}")
    # A failed change leaves what was there.
    seconds = time.monotonic() - start
    after = sampler.look() if error else _wait(sampler, case.shape)
    return Measured(
        number=case.number,
        kind=case.kind,
        before=before,
        least=least(),
        after=after,
        samples=len(sampler.samples),
        seconds=seconds,
        error=error,
    )


def _apply(bench: Bench, shape: Shape, say: Callable[[str], None]) -> None:
    project, plan = bench.project, bench.plan(shape)
    settle_stack(project, plan, now=datetime.now(UTC), progress=say)
    summary = preview_plan(project, plan, path=project.plan_file, refresh=True, now=datetime.now(UTC))
    if summary.preview.refusals:
        raise RuntimeError("; ".join(v.message for v in summary.preview.refusals))
    apply_plan(project, summary.plan, now=datetime.now(UTC), progress=say)


def _wait(sampler: Sampler, shape: Shape) -> dict[str, int]:
    """What serves once the VMs of a shape do; the last look where they do not in time."""
    until = time.monotonic() + SETTLE_S
    while (seen := sampler.look())["hot"] < shape.hot and time.monotonic() < until:
        time.sleep(1)
    return seen


def main(arguments: list[str] | None = None) -> int:
    """Print a line per change; exit code 1 where a sample fell below min(before, after)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=__doc__)
    parser.add_argument("--changes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    print(f"seed {chosen.seed}; hot warm cold\n  #  kind                before     after     least", flush=True)
    found = []
    with tempfile.TemporaryDirectory(prefix="tiercast-changes-") as folder, site(Path(folder)) as bench:
        for one in measure(bench, chosen.changes, seed=chosen.seed, say=lambda _: None):
            print(one.row(), flush=True)
            found.append(one)
    held = sum(one.held for one in found)
    print(f"{held} of {len(found)} changes never fell below min(before, after)")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) for one in found], indent=2), encoding="utf-8")
    return 0 if held == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
