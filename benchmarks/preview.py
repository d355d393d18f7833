"""Times `tiercast preview` beside a bare `pulumi preview --refresh` with the same pack: `python -m benchmarks.preview`.

Both run in pairs, one after the other, on the same stack of the lab. The figures are in docs/world.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.changes.site import Bench, Shape, site

#: Instances of each group.
SIZE = 10


def main() -> None:
    """Measure stacks of the given numbers of groups, and print the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, nargs="+", default=[3, 30])
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for groups in chosen.groups:
            with site(Path(folder) / str(groups)) as bench:
                found[groups] = measured(bench, groups, chosen.pairs)
                print(json.dumps({"groups": groups, **found[groups]}), flush=True)


def measured(bench: Bench, groups: int, pairs: int) -> dict[str, object]:
    """Seconds of each preview of an applied stack, and the median ratio of the pairs."""
    bench.plan(Shape(hot=2, warm=SIZE, cold=2, groups=groups))
    root, config = bench.project.root, os.environ["PULUMI_OPTION_POLICY_PACK_CONFIG"]
    Path(config).write_text('{"all": "advisory"}', encoding="utf-8")
    _timed(["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"], root)
    bare, ours = [], []
    for _ in range(pairs):
        bare.append(_timed(["pulumi", "preview", "--refresh", "--non-interactive"], root))
        ours.append(_timed([sys.executable, "-m", "reconciler.cli", "preview"], root))
    return {
        "bare_s": [round(s, 2) for s in bare],
        "tiercast_s": [round(s, 2) for s in ours],
        "ratio": round(statistics.median(o / b for o, b in zip(ours, bare, strict=True)), 3),
    }


def _timed(command: list[str], folder: Path) -> float:
    begun = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
