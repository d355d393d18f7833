"""Placement of VMs on own hosts: stable slots, spread per flavour, spare hosts, least movement.

- A slot is `<tier>-<host>-<nnn>`. A VM keeps its slot until it is removed, so a changed count touches only the last slots.
- A new VM goes to the host with the fewest VMs of the same flavour, then to the one with the most free cores.
- A removal takes the highest number from the host with the most VMs of the flavour.
- A VM that does not serve is removed before one that does. It is started again in its slot, or replaced under another number.
- VMs move only if a VM does not fit although enough cores are free in total. As few as possible move.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.sizing.host_spread import lost_with
from stacks.contract import Flavour, Hypervisor, Slot

#: A slot's number has three digits.
_LAST = 999


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Slots in order of host and number; what had to move, what found no room, and where the spare host is missing.

    moved: names of flavours whose VM changes hosts. unplaced: flavour → VMs without room. excess: VMs by which losing the
    `spare` fullest hosts costs more than an even spread would, which is what sizing counts on; fullest: the fullest of
    them, "" without an excess.
    """

    slots: tuple[Slot, ...]
    moved: tuple[str, ...] = ()
    unplaced: Mapping[str, int] | None = None
    spare: int = 0
    excess: int = 0
    fullest: str = ""


@dataclass(frozen=True, kw_only=True)
class Upset:
    """Slots that are not as they should be.

    idle: their VM does not serve, so that they are the first to be removed. replaced: of those, the ones whose VM gets
    another slot. held: slots that stay as they are, such as adopted ones. taken: (host, number) of slots that a domain of
    somebody else holds.
    """

    idle: frozenset[Slot] = frozenset()
    replaced: frozenset[Slot] = frozenset()
    held: frozenset[Slot] = frozenset()
    taken: frozenset[tuple[str, int]] = frozenset()


def place(
    hosts: Sequence[Hypervisor],
    flavours: Sequence[Flavour],
    wanted: Mapping[str, int],
    current: Sequence[Slot] = (),
    *,
    spare: int = 0,
    unreachable: frozenset[str] = frozenset(),
    upset: Upset = Upset(),
) -> Placement:
    """Place the wanted VMs.

    Args:
        hosts: all hosts, those that do not answer included.
        flavours: sizes of VMs.
        wanted: count by flavour, including what runs on hosts that do not answer.
        current: slots that are in use.
        spare: hosts that may fail (N+1 = 1): VMs are moved off crowded hosts until that costs no more than it must.
        unreachable: hosts whose slots are left exactly as they are.
        upset: slots whose VM does not serve, and numbers that are not free.

    Returns:
        The placement; slots on hosts or of flavours that are no longer declared are dropped.
    """
    board = _Board(hosts, flavours, unreachable, upset, current)
    for slot in current:
        if slot not in upset.replaced or slot.hypervisor in unreachable:
            board.keep(slot)
    for name in sorted(wanted):
        board.shrink(name, wanted[name])
    moved: list[str] = []
    unplaced: dict[str, int] = {}
    # Large flavours first: small ones fill what is left.
    for flavour in sorted(flavours, key=lambda f: (-f.vcpu, -f.memory_mib, f.name)):
        for _ in range(wanted.get(flavour.name, 0) - board.count(flavour.name)):
            if not board.add(flavour.name) and not board.make_room(flavour.name, moved):
                unplaced[flavour.name] = unplaced.get(flavour.name, 0) + 1
    board.even_out(spare, moved)
    excess, fullest = board.unevenness(spare) if spare else (0, "")
    return Placement(
        slots=tuple(sorted(board.slots, key=lambda s: (s.hypervisor, s.number))),
        moved=tuple(moved),
        unplaced=unplaced or None,
        spare=spare,
        excess=excess,
        fullest=fullest,
    )


class _Board:
    """Slots in use with the free room of every host."""

    def __init__(
        self,
        hosts: Sequence[Hypervisor],
        flavours: Sequence[Flavour],
        unreachable: frozenset[str],
        upset: Upset,
        current: Sequence[Slot],
    ) -> None:
        self.hosts = {h.name: h for h in hosts}
        self.flavours = {f.name: f for f in flavours}
        self.unreachable = unreachable
        self.idle, self.held = upset.idle, upset.held
        # A VM that goes keeps its number until what replaces it serves.
        self.taken = upset.taken | {(slot.hypervisor, slot.number) for slot in current}
        self.slots: list[Slot] = []

    def keep(self, slot: Slot) -> None:
        if slot.hypervisor in self.hosts and slot.flavour in self.flavours:
            self.slots.append(slot)

    def count(self, flavour: str) -> int:
        return sum(s.flavour == flavour for s in self.slots)

    def _free(self, host: str, slots: Sequence[Slot] | None = None) -> tuple[int, int]:
        mine = [self.flavours[s.flavour] for s in (self.slots if slots is None else slots) if s.hypervisor == host]
        whole = self.hosts[host]
        return whole.cores - sum(f.vcpu for f in mine), whole.memory_mib - sum(f.memory_mib for f in mine)

    def _fits(self, host: str, flavour: str) -> bool:
        cores, memory = self._free(host)
        kind = self.flavours[flavour]
        return kind.vcpu <= cores and kind.memory_mib <= memory and self._next_number(host) <= _LAST

    def _kin(self, host: str, flavour: str) -> int:
        """VMs of the flavour on the host."""
        return sum(s.hypervisor == host and s.flavour == flavour for s in self.slots)

    def _next_number(self, host: str) -> int:
        used = {s.number for s in self.slots if s.hypervisor == host}
        used |= {number for name, number in self.taken if name == host}
        return next(n for n in itertools.count(1) if n not in used)

    def _fixed(self, slot: Slot) -> bool:
        """Whether the slot can't be emptied or moved."""
        return slot.hypervisor in self.unreachable or slot in self.held

    def _open_hosts(self) -> list[str]:
        return [name for name in self.hosts if name not in self.unreachable]

    def shrink(self, flavour: str, wanted: int) -> None:
        """Take an idle one, else the highest number from the host with most VMs of the flavour, as often as needed."""
        while self.count(flavour) > wanted:
            mine = [s for s in self.slots if s.flavour == flavour and not self._fixed(s)]
            if not mine:
                return
            self.slots.remove(
                max(mine, key=lambda s: (s in self.idle, self._kin(s.hypervisor, flavour), s.number, s.hypervisor))
            )

    def add(self, flavour: str) -> bool:
        """Put one more VM where it is best spread; False where none has room."""
        able = [h for h in self._open_hosts() if self._fits(h, flavour)]
        if not able:
            return False
        host = min(able, key=lambda h: (self._kin(h, flavour), -self._free(h)[0], -self._free(h)[1], h))
        self.slots.append(Slot(hypervisor=host, number=self._next_number(host), flavour=flavour))
        return True

    def make_room(self, flavour: str, moved: list[str]) -> bool:
        """Move the fewest smaller VMs from one host to others so that one more fits; undone where it does not help."""
        before = list(self.slots)
        best: tuple[int, list[Slot], list[str]] | None = None
        for host in self._open_hosts():
            self.slots = list(before)
            gone: list[str] = []
            for slot in sorted(
                (s for s in before if s.hypervisor == host and s not in self.held),
                key=lambda s: (self.flavours[s.flavour].vcpu, -s.number),
            ):
                if self._fits(host, flavour) or self.flavours[slot.flavour].vcpu >= self.flavours[flavour].vcpu:
                    break
                others = [h for h in self._open_hosts() if h != host and self._fits(h, slot.flavour)]
                if not others:
                    break
                target = min(others, key=lambda h: (self._kin(h, slot.flavour), -self._free(h)[0], h))
                self.slots.remove(slot)
                self.slots.append(Slot(hypervisor=target, number=self._next_number(target), flavour=slot.flavour))
                gone.append(slot.flavour)
            if self._fits(host, flavour) and (best is None or len(gone) < best[0]):
                self.slots.append(Slot(hypervisor=host, number=self._next_number(host), flavour=flavour))
                best = (len(gone), list(self.slots), gone)
        if best is None:
            self.slots = before
            return False
        _, self.slots, gone = best
        moved.extend(gone)
        return True

    def unevenness(self, spare: int) -> tuple[int, str]:
        """VMs by which the `spare` fullest hosts exceed an even spread, over all flavours, and the fullest host."""
        worst, fullest = 0, ""
        hosts = self._open_hosts()
        for flavour in sorted({s.flavour for s in self.slots}):
            on = {h: self._kin(h, flavour) for h in self.hosts}
            room = [on[h] + self._room(h, self.flavours[flavour]) if h in hosts else on[h] for h in self.hosts]
            ideal = lost_with(self.count(flavour), room, spare)
            held = sorted(on.values(), reverse=True)[:spare]
            if sum(held) - ideal > worst:
                worst = sum(held) - ideal
                fullest = max(on, key=lambda h: (on[h], h))
        return worst, fullest

    def _room(self, host: str, flavour: Flavour) -> int:
        cores, memory = self._free(host)
        return max(min(cores // flavour.vcpu, memory // flavour.memory_mib), 0)

    def even_out(self, spare: int, moved: list[str]) -> None:
        """Move VMs off the fullest host, the highest numbers first, until losing hosts costs no more than it must."""
        for _ in range(len(self.slots) if spare else 0):
            before, fullest = self.unevenness(spare)
            if before == 0 or fullest in self.unreachable:
                return
            kept = list(self.slots)
            mine = [s for s in self.slots if s.hypervisor == fullest and s not in self.held]
            if not mine:
                return
            crowded = max(mine, key=lambda s: (self._kin(fullest, s.flavour), s.number))
            self.slots.remove(crowded)
            others = [h for h in self._open_hosts() if h != fullest and self._fits(h, crowded.flavour)]
            if others:
                target = min(others, key=lambda h: (self._kin(h, crowded.flavour), -self._free(h)[0], h))
                number = self._next_number(target)
                self.slots.append(Slot(hypervisor=target, number=number, flavour=crowded.flavour))
            if not others or self.unevenness(spare)[0] >= before:
                self.slots = kept
                return
            moved.append(crowded.flavour)
