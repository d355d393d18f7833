"""Replace the instances of an older launch template within a bounded surge: launch, wait until ready, drain, end.

A round raises the group's desired size by the surge (its maximum too if it must), waits until all are ready, and ends as many
old instances. So the group never has fewer ready instances than before, and it is left at the sizes that it had. A run that is
killed leaves a group with a few instances too many; the next run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.adapters.rollout.drain import Drain
from reconciler.adapters.rollout.groups import GroupSizes
from reconciler.errors import Unavailable
from reconciler.observe.rolling import outdated, surge_of
from reconciler.observe.world import LiveGroup

#: Most rounds of a group. An instance that comes from a ready pool may be old too, so that there can be more than instances.
_ROUNDS = 1000


@dataclass(frozen=True, kw_only=True)
class Roll:
    """What a roll needs.

    look: the group as it is now. settled: waits until the group has so many ready instances, and returns why it has not.
    """

    sizes: GroupSizes
    drain: Drain
    look: Callable[[LiveGroup], LiveGroup]
    settled: Callable[[LiveGroup, int], str]
    say: Callable[[str], None]

    def __call__(self, group: LiveGroup) -> int:
        """Roll one group; the number of instances that were replaced.

        Raises:
            Unavailable: the new instances do not become ready, or AWS does not answer. No ready instance was ended without a
                ready successor.
        """
        most, done = group.max, 0
        try:
            for _ in range(_ROUNDS):
                group = self.look(group)
                if not (old := outdated(group)):
                    break
                batch = old[: surge_of(group)]
                wanted = group.desired + len(batch)
                self.say(f"roll     {group.group}: {len(old)} of {group.desired} instances are of an older template")
                self.sizes.resize(group.group, desired=wanted, max=max(wanted, group.max))
                if why := self.settled(group, wanted):
                    self.sizes.resize(group.group, desired=group.desired)
                    raise Unavailable(
                        f"{group.group} was not rolled further: {why}. {len(old)} instances of the older template still run.",
                        remedy="The next run goes on with them.",
                    )
                self.drain(batch)
                for one in batch:
                    self.sizes.end(one.id)
                    done += 1
        finally:
            if self.look(group).max > most:
                self.sizes.resize(group.group, max=most)
        return done
