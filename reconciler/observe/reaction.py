"""What happens to drift by who made it: it is reported, repaired by the update, or counts as wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.observe.drift import Drift, DriftKind
from reconciler.observe.world import World

#: Kind → report, repair or adopt.
Reactions = Mapping[DriftKind, str]


def taken_as_is(found: Iterable[Drift], reactions: Reactions, world: World) -> tuple[frozenset[str], frozenset[str]]:
    """The names of VMs and groups that an update leaves alone, and of VMs that give up their slots.

    What is reported is left alone. What a person did and is adopted is left alone as well, except a VM that does not run.
    """
    instances = {i.name: i for i in world.instances}
    held, dropped = set[str](), set[str]()
    for one in found:
        name, reaction = one.name.partition("/")[0], reactions.get(one.kind, "repair")
        seen = instances.get(name)
        if reaction == "report":
            held.add(name)
        elif reaction == "adopt" and one.kind is DriftKind.PERSON:
            (dropped if seen is not None and seen.running is False else held).add(name)
    return frozenset(held), frozenset(dropped)


#: Kind → the words of a note.
_BY = {
    DriftKind.PERSON: "changed by a person",
    DriftKind.AUTOSCALER: "moved by a scaling policy",
    DriftKind.LOST: "lost",
    DriftKind.NOISE: "read back in another form",
    DriftKind.HALF_CREATED: "left by an interrupted update",
}
#: Kinds whose reaction nobody chooses.
_ALWAYS = {
    DriftKind.NOISE: "is only reported",
    DriftKind.HALF_CREATED: "is adopted if it fits, and otherwise removed",
}
_REACTION = {"report": "is left as it is", "repair": "is repaired by the update", "adopt": "counts as it is"}


def drift_line(one: Drift, reactions: Reactions) -> str:
    """A difference in a sentence: what it is, who made it, and what happens."""
    done = _ALWAYS.get(one.kind) or _REACTION[reactions.get(one.kind, "repair")]
    return f"{one.name}: {one.what}; it was {_BY[one.kind]} and {done} [drift]"
