"""Two runs at the same time: one does the work, the other ends and says why."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from tests.e2e.world_site import FleetOnLab
from tests.kills.trial import RECONCILE, RUN_SECONDS, Outcome, after, prepare

#: The second of a pair: another scheduled run, or somebody at the plain engine.
SECOND: Final = {
    "reconcile": RECONCILE,
    "pulumi refresh": ("pulumi", "refresh", "--yes", "--skip-preview", "--non-interactive"),
    "pulumi up": ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive"),
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A scheduled run, and what starts `later` seconds after it. grown: whether the fleet is large afterwards."""

    number: int
    second: str
    later: float
    grown: bool

    def describe(self) -> str:
        """For people."""
        return f"{self.number}: reconcile, and {self.second} {self.later:.1f} s later"


def drawn_pairs(seed: int, count: int) -> list[Pair]:
    """The pairs of a seed; each changes the fleet's size."""
    chance = random.Random(seed)
    return [
        Pair(number=n, second=chance.choice(list(SECOND)), later=chance.uniform(0, 15), grown=n % 2 == 1)
        for n in range(1, count + 1)
    ]


def raced(site: FleetOnLab, pair: Pair, *, image: int) -> Outcome:
    """Run a pair on a fleet that has converged, and converge again."""
    began = time.monotonic()
    prepare(site, grown=pair.grown, image=image)
    first = site.start(*RECONCILE, variables={})
    time.sleep(pair.later)
    second = site.call(*SECOND[pair.second], timeout=RUN_SECONDS)
    output, errors = first.communicate(timeout=RUN_SECONDS)
    wrong, said = [], []
    for name, code, text in (
        ("reconcile", first.returncode, errors.strip() or output),
        (pair.second, second.returncode, second.stderr.strip() or second.stdout),
    ):
        if code != 0:
            said.append(f"{name}: {text.strip()[-300:]}")
            wrong += [f"{name} failed and did not say why"] if not text.strip() or "Traceback" in text else []
    return after(site, grown=pair.grown, number=pair.number, case=pair.describe(), began=began, said=said, faults=wrong)
