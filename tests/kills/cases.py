"""Which process is killed when, in which change: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from lab.plugins.killing import Moment, Plot, Victim

Change = Literal["grow", "shrink", "image", "stopped", "gone"]

#: Change → calls that the engine makes in it: operation, end of the type, part of the name.
CALLS: Final[Mapping[Change, tuple[tuple[str, str, str], ...]]] = {
    "grow": (("create", ":Domain", ""), ("update", ":Group", "warm"), ("update", ":Group", "cold")),
    "shrink": (("delete", ":Domain", ""), ("update", ":Group", "warm"), ("update", ":Group", "cold")),
    "image": (("update", ":LaunchTemplate", "warm"), ("update", ":LaunchTemplate", "cold")),
    "stopped": (("update", ":Domain", ""), ("read", ":Domain", "")),
    "gone": (("create", ":Domain", ""), ("read", ":Domain", "")),
}
#: Of 100 kills, those inside a provider call; the others come at any time of the run.
INSIDE: Final = 0.7
#: Seconds within which the others come.
LONGEST: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill.

    Attributes:
        number: its place in the drawn list.
        change: what the run was to do. grown: whether the fleet is large once the change is done.
        victim: the process. plot: the provider call and the moment in it; None: `after` seconds from the run's start.
    """

    number: int
    change: Change
    grown: bool
    victim: Victim
    plot: Plot | None
    after: float

    def describe(self) -> str:
        """For people: 7: engine killed in update of :Group warm, after the effect, during grow."""
        if self.plot is None:
            where = f"{self.after:.1f} s after the start"
        else:
            part = " ".join(word for word in (self.plot.operation, self.plot.type, self.plot.name) if word)
            when = {
                "call": "before the call",
                "effect": "after the effect, before the reply",
                "reply": "after the reply, before the checkpoint",
            }
            where = f"in {part}, {when[self.plot.moment]}"
        return f"{self.number}: {self.victim} killed {where}, during {self.change}"


def drawn(seed: int, count: int) -> list[Kill]:
    """The kills of a seed, in order; each starts where the one before converged. A longer list begins with the shorter one."""
    chance, grown, kills = random.Random(seed), False, list[Kill]()
    for number in range(1, count + 1):
        size: Change = "shrink" if grown else "grow"
        change = chance.choice((size, size, "image", "stopped", "gone"))
        victim: Victim = chance.choice(get_args(Victim))
        moment: Moment = chance.choice(get_args(Moment))
        operation, kind, name = chance.choice(CALLS[change])
        inside, after = chance.random() < INSIDE, chance.uniform(0.5, LONGEST)
        plot = Plot(operation=operation, type=kind, name=name, moment=moment, victim=victim) if inside else None
        grown = {"grow": True, "shrink": False}.get(change, grown)
        kills.append(Kill(number=number, change=change, grown=grown, victim=victim, plot=plot, after=after))
    return kills
