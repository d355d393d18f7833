"""`python -m tests.kills`: kills, and pairs of runs at the same time, on the real lab. A broken-off run goes on where it was."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from reconciler.adapters.files import write_json
from tests.e2e.world_site import FleetOnLab, fleet_on_lab
from tests.kills.cases import drawn
from tests.kills.pairs import drawn_pairs, raced
from tests.kills.trial import Outcome, converged, prepare, tried

Trial = Callable[..., Outcome]


def main() -> None:
    """Run what the state file does not hold yet, and print the figures of all that it holds. Exit code 1: faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="draws all cases; default: the time")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=90.0, help="start no other case after this time")
    parser.add_argument("--state", type=Path, default=Path("build/kills.json"), help="keeps seed and outcomes")
    chosen = parser.parse_args()
    kept = json.loads(chosen.state.read_text(encoding="utf-8")) if chosen.state.exists() else {}
    seed, outcomes = kept.get("seed", chosen.seed), kept.get("outcomes", {})
    print(f"seed {seed}, {len(outcomes)} outcomes in {chosen.state}", flush=True)
    chosen.state.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * chosen.minutes
    todo = [(key, trial) for key, trial in _trials(seed, chosen.kills, chosen.pairs) if key not in outcomes]
    while todo and time.monotonic() < until:
        # A fleet that did not converge is no start for the next case: every fault ends its lab.
        with tempfile.TemporaryDirectory(prefix="tiercast-kills-") as folder, fleet_on_lab(Path(folder)) as site:
            prepare(site, grown=False, image=0)
            converged(site)
            while todo and time.monotonic() < until:
                key, trial = todo.pop(0)
                outcome = trial(site)
                outcomes[key] = asdict(outcome)
                write_json(chosen.state, {"seed": seed, "outcomes": outcomes})
                print(key, json.dumps(asdict(outcome), ensure_ascii=False), flush=True)
                if outcome.faults:
                    break
    raise SystemExit(_summary(outcomes))


def _trials(seed: int, kills: int, pairs: int) -> Iterator[tuple[str, Callable[[FleetOnLab], Outcome]]]:
    """Pairs are spread among the kills, so that a run that is cut short has some of both."""
    waiting = [
        (f"pair {pair.number}", partial(raced, pair=pair, image=-pair.number)) for pair in drawn_pairs(seed, pairs)
    ]
    for kill in drawn(seed, kills):
        yield f"kill {kill.number}", partial(tried, kill=kill, image=kill.number)
        if waiting and kill.number % 5 == 0:
            yield waiting.pop(0)
    yield from waiting


def _summary(outcomes: dict[str, dict[str, object]]) -> int:
    kills = [one for key, one in outcomes.items() if key.startswith("kill")]
    hit = [one for one in kills if one["hit"]]
    wrong = {key: one["faults"] for key, one in outcomes.items() if one["faults"]}
    print(
        f"{len(kills)} kills, of which {len(hit)} hit their process, {sum(bool(one['inside']) for one in hit)} of them inside "
        f"a provider call; {len(outcomes) - len(kills)} pairs; {len(wrong)} with faults"
    )
    for key, faults in wrong.items():
        print(f"{key}: {faults}")
    return int(bool(wrong))


if __name__ == "__main__":
    main()
