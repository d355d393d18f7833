"""The changes: a seeded sequence of growing, shrinking, replacing, rolling, failing creations, and mixtures. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.changes.site import Shape

Kind = Literal["grow", "shrink", "replace", "roll", "failed create", "grow and shrink"]

#: Each kind of change in turn, in this share.
KINDS: tuple[Kind, ...] = ("grow", "replace", "grow and shrink", "failed create", "roll", "shrink")
#: What fails to boot.
NO_KERNEL = "/nonexistent/vmlinuz"
#: Least and most VMs, and instances of a group.
LEAST, MOST = 1, 4


@dataclass(frozen=True, kw_only=True)
class FleetChange:
    """A change: its number, its kind, and the fleet that it ends in."""

    number: int
    kind: Kind
    shape: Shape


def cases(count: int, *, seed: int, start: Shape) -> Iterator[FleetChange]:
    """So many changes, one after the other; after one that fails the next starts from the shape before it."""
    random_ = random.Random(seed)
    shape = start
    for number in range(1, count + 1):
        kind = KINDS[(number - 1) % len(KINDS)]
        wanted = _changed(kind, shape, number, random_)
        yield FleetChange(number=number, kind=kind, shape=wanted)
        if kind != "failed create":
            shape = wanted


def _changed(kind: Kind, shape: Shape, number: int, random_: random.Random) -> Shape:
    def up(count: int) -> int:
        return min(count + random_.randint(1, 2), MOST)

    def down(count: int) -> int:
        return max(count - random_.randint(1, 2), LEAST)

    match kind:
        case "grow":
            return replace(shape, hot=up(shape.hot), warm=up(shape.warm), cold=up(shape.cold))
        case "shrink":
            return replace(shape, hot=down(shape.hot), warm=down(shape.warm), cold=down(shape.cold))
        case "replace":
            return replace(shape, build=str(number))
        case "roll":
            return replace(shape, image=str(number))
        case "failed create":
            return replace(shape, build=f"{number}, with a kernel that is not there", kernel=NO_KERNEL)
        case "grow and shrink":
            return replace(shape, hot=down(shape.hot), warm=up(shape.warm), cold=down(shape.cold))
