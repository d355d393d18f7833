"""Generated situations in which some demand is not known: histories with holes, resets, renamed and lost classes.

What is unknown is told here by rules of its own, from the rows as they were written, so that a mistake in the judgement of
the data can't hide in the test as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from reconciler.observe.stack_state import Observed
from reconciler.plan.file import PlanFile
from reconciler.report.summary import blocked_line
from stacks.contract import Slot, Tier

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: Defaults of the fleet file (docs/fleet.md): older data is not current; a lost application counts for this long, from this
#: share of its class on.
MAX_AGE, KEEP, SHARE = 3, 7 * 24, 0.05
HOSTS = ("a", "b", "c")
LAUNCH = {"image_id": "ami", "zones": ["us-east-1a", "us-east-1b"]}
CLASSES = ("gold", "silver", "bronze")


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application of the history.

    name: begins with its class's name, which is how the fleet file assigns it; `rate`: requests per hour.
    silent: hours without data at the end. holes: the hours of a day, counted back from the end, without data.
    nan: what is missing is a row with NaN, or else no row. born: hour of the first row.
    reset: hour at which its counter begins again; None: never.
    """

    name: str
    rate: float
    silent: int = 0
    holes: tuple[int, ...] = ()
    nan: bool = False
    born: int = 0
    reset: int | None = None

    @property
    def qos(self) -> str:
        """Its class."""
        return self.name.partition("-")[0]

    def has_data(self, hour: int, length: int) -> bool:
        """Whether it has a value in this hour of a history of `length` hours."""
        back = length - 1 - hour
        return self.born <= hour and back >= self.silent and not (back < 24 and back in self.holes)

    def value(self, hour: int) -> float:
        """Requests in an hour: a gentle daily wave around the rate."""
        return round(self.rate * (1 + 0.2 * np.sin(hour * np.pi / 12)))


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A fleet, what runs, its history up to `length` hours, and the time of the run, `late` hours after its end.

    tiers: class → tiers. ownership: warm and cold. remembered: how many hours before the end an earlier run saw all
    applications and kept its memory; None: no memory is left. factor: the forecast's demand as a multiple of the last day's.
    running: tier → count per kind or per host. most: `max` of the warm tier; None: not declared.
    unready: VMs, and instances of each group, that run and do not serve.
    """

    tiers: Mapping[str, tuple[str, ...]]
    applications: tuple[Application, ...]
    length: int
    late: int = 0
    counters: bool = False
    remembered: int | None = 24
    factor: float = 1.0
    ownership: str = "floor"
    guards: Mapping[str, Any] = field(default_factory=dict)
    running: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    most: int | None = None
    demoted: bool = False
    silent_host: str = ""
    unready: int = 0
    changed_hours_ago: tuple[int, ...] = ()

    @property
    def now(self) -> datetime:
        """The wall clock of the run."""
        return START + (self.length + self.late) * HOUR

    @property
    def used(self) -> tuple[str, ...]:
        """The tiers that some class uses, which the fleet file declares."""
        return tuple(t for t in ("hot", "warm", "cold") if any(t in tiers for tiers in self.tiers.values()))

    def fleet(self, paths: str = "h.csv") -> dict[str, Any]:
        """The fleet file."""
        cloud = {"launch": LAUNCH, "ownership": self.ownership}
        tiers: dict[str, Any] = {
            "hot": {
                "hypervisors": [
                    {"name": name, "uri": f"test:///{name}", "cores": 64, "memory_mib": 262144} for name in HOSTS
                ],
                "flavours": [{"name": "standard", "vcpu": 2, "memory_mib": 2048}],
                "boot": {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd", "cmdline": [{"console": "ttyS0"}]},
                "unreachable": "skip",
            },
            "warm": {"instance_types": ["m5.large", "c5.large"], **cloud, "ready_pool": None},
            "cold": {"instance_types": ["m5.large", "m6i.large"], **cloud},
        }
        if self.most is not None:
            tiers["warm"]["max"] = self.most
        return {
            "step": "1h",
            "validity": "1h",
            "history": {"paths": [paths], "kind": "series", "counters": self.counters},
            "qos": {
                name: {"latency": "400ms", "percentile": 0.95, "tiers": list(tiers)}
                for name, tiers in self.tiers.items()
            },
            "applications": [{"match": f"{name}-*", "qos": name, "service_time": "50ms"} for name in self.tiers],
            "guards": {"cooldown_down": "0s", "churn_share": 1, **self.guards},
            "tiers": {name: tiers[name] for name in self.used},
            "config": {"aws:region": "us-east-1"},
        }

    def rows(self, hours: int | None = None, *, whole: bool = False) -> list[tuple[str, str, str, str]]:
        """Rows of the history's first `hours`; `whole`: as it was before anything was lost."""
        found = []
        for one in self.applications:
            total = 0.0
            for hour in range(self.length if hours is None else hours):
                if one.reset == hour:
                    total = 0.0
                total += one.value(hour)
                if whole or one.has_data(hour, self.length):
                    value = f"{total if self.counters else one.value(hour):.0f}"
                elif one.nan and hour >= one.born:
                    value = "nan"
                else:
                    continue
                found.append(((START + hour * HOUR).isoformat(), "u", one.name, value))
        return found

    def observed(self) -> Observed:
        """What runs."""
        hot = [
            Slot(hypervisor=host, number=n + 1, flavour="standard")
            for host, count in zip(HOSTS, self.running.get("hot", ()), strict=False)
            for n in range(count)
        ]
        warm, cold = self.running.get("warm", (0, 0)), self.running.get("cold", (0,))
        groups = {
            (Tier.WARM, "m5-large"): (("m5.large",), warm[0]),
            (Tier.WARM, "c5-large"): (("c5.large",), warm[1]),
            (Tier.COLD, "burst"): (("m5.large", "m6i.large"), cold[0]),
        }
        failing = hot[-self.unready :] if self.unready and "hot" in self.used else []
        return Observed(
            slots={Tier.HOT: tuple(hot)} if hot and "hot" in self.used else {},
            groups={key: value for key, value in groups.items() if key[0].value in self.used},
            idle={slot.name("hot"): "its health check failed" for slot in failing},
            replaced=frozenset(slot.name("hot") for slot in failing[-1:]),
            ready={key: max(count - self.unready, 0) for key, (_, count) in groups.items() if key[0].value in self.used}
            if self.unready
            else {},
        )

    def unknown(self) -> set[str]:
        """Classes whose current demand is not known."""
        seen = self.length + min(self.late, 0)  # rows of the future are left out
        return {name for name in self.tiers if self._is_unknown(name, seen)}

    def _is_unknown(self, name: str, seen: int) -> bool:
        mine = [one for one in self.applications if one.qos == name]
        last = {one.name: self._last_hour(one, seen) for one in mine}
        age = {one: self.length + self.late - 1 - hour for one, hour in last.items() if hour is not None}
        if not any(hours <= MAX_AGE for hours in age.values()):
            return True
        newest = max(hour for hour in last.values() if hour is not None)
        day = range(max(newest - 23, 0), newest + 1)
        # A counter's next value tells the sum of a hole, so that holes in counters may be known.
        holes = sum(not any(one.has_data(hour, self.length) for one in mine) for hour in day)
        if not self.counters and holes > len(day) / 2:
            return True
        lost = sum(one.rate for one in mine if MAX_AGE < age.get(one.name, 0) <= KEEP)
        known = sum(one.rate for one in mine if age.get(one.name, KEEP + 1) <= KEEP)
        return lost >= 2 * SHARE * known  # the share is measured with the wave: leave a margin

    def _last_hour(self, one: Application, seen: int) -> int | None:
        """Last hour with data that this run can know of: from the history, or from the memory of the earlier run."""
        hours = [hour for hour in range(seen) if one.has_data(hour, self.length)]
        if self.counters:
            hours = hours[1:]  # the first value of a counter tells no difference
        if self.remembered is not None:
            hours.append(self.length - self.remembered - 1)
        return max(hours, default=None)


def shrunk(situation: Situation, plan: PlanFile) -> dict[str, tuple[int, int]]:
    """Tier → (running, planned), of the tiers that lose an instance of any kind, from the configuration that would run."""
    observed = situation.observed()
    config = plan.config
    found = {}
    for tier in situation.used:
        if tier == "hot":  # a VM that fails its check may be replaced on another host
            before = {"VMs": len(observed.slots.get(Tier.HOT, ()))}
            after = {"VMs": len(config["tiercast:hot"]["slots"])}
        else:
            before = {name: n for (t, name), (_, n) in observed.groups.items() if t.value == tier}
            after = {one["name"]: one["size"]["desired"] for one in config[f"tiercast:{tier}"]["groups"]}
        limit = situation.most if tier == "warm" and situation.most is not None else None
        if limit is not None and sum(before.values()) > limit:
            lost = sum(after.values()) < limit
        else:
            lost = any(after.get(name, 0) < count for name, count in before.items())
        if lost:
            found[tier] = (sum(before.values()), sum(after.values()))
    return found


def mistakes(situation: Situation, plan: PlanFile, *, demoted: bool = False) -> list[str]:
    """Every tier that shrinks although it must not, and every one whose reason is missing from the last line.

    demoted: the whole forecast is a fallback or stale, so that no tier may shrink.
    """
    lost, line = shrunk(situation, plan), blocked_line(plan)
    unknown = set(situation.tiers) if demoted else situation.unknown()
    held = {tier: name for name in sorted(unknown) for tier in situation.tiers[name]}
    found = [
        f"{tier}: {lost[tier][0]} -> {lost[tier][1]}, {name} unknown" for tier, name in held.items() if tier in lost
    ]
    for name in sorted(unknown):
        said = ["the forecast fell back or is stale" if demoted else name, *situation.tiers[name]]
        found += [f"the last line lacks {word!r}: {line!r}" for word in said if word not in line]
    return found


#: Hours of silence: most applications have data, some lost it within `max_age`, some before.
_gone = st.sampled_from((*(0,) * 12, 1, 2, 4, 5, 12, 24, 30, 60))
#: Hours of the last day without data: mostly none, a few, every third, more than half, and all but the last ones.
_holes = st.sampled_from((*((),) * 12, (0, 5, 6), tuple(range(0, 24, 3)), tuple(range(1, 14)), tuple(range(2, 24))))
_running = st.sampled_from((0, 1, 3, 8, 20, 30))


def _one_in(count: int) -> st.SearchStrategy[bool]:
    return st.sampled_from((True, *(False,) * (count - 1)))


_guards = st.fixed_dictionaries(
    {},
    optional={
        "step_limit": st.integers(1, 9),
        "churn_share": st.sampled_from((0.0, 0.2, 0.5)),
        "cooldown_down": st.sampled_from(("10m", "3h")),
        "cooldown_up": st.sampled_from(("10m", "3h")),
        "hysteresis": st.sampled_from((0.0, 0.1)),
        "usd_per_hour": st.sampled_from((0.5, 5.0)),
        "freeze": st.just(({"weekly": "Mon 00:00 to Tue 00:00", "timezone": "Europe/Berlin", "why": "a freeze"},)),
    },
)


@st.composite
def applications(draw: st.DrawFn, names: tuple[str, ...], length: int) -> tuple[Application, ...]:
    """One to three applications per class; some lose data, have holes, begin again, or are renamed."""
    found = []
    for name in names:
        for number in range(draw(st.integers(1, 3))):
            made = Application(
                name=f"{name}-{number}",
                rate=draw(st.sampled_from((2000.0, 60_000.0, 300_000.0))),
                silent=min(draw(_gone), length),
                holes=draw(_holes),
                nan=draw(st.booleans()),
                reset=draw(st.none() | st.integers(1, length - 1)),
            )
            found.append(made)
            if made.silent and draw(st.booleans()):  # renamed: the same load, under another name or in another class
                heir = draw(st.sampled_from(names))
                found.append(Application(name=f"{heir}-{number}b", rate=made.rate, born=max(length - made.silent, 0)))
    return tuple({one.name: one for one in found}.values())


@st.composite
def situations(draw: st.DrawFn, *, longest: int = 60) -> Situation:
    """Situations of one to three classes in up to three tiers."""
    names = CLASSES[: draw(st.integers(1, 3))]
    length = draw(st.integers(30, longest))
    ways = st.sampled_from((("warm",), ("cold",), ("hot",), ("warm", "cold"), ("hot", "warm"), ("hot", "warm", "cold")))
    return Situation(
        tiers={name: draw(ways) for name in names},
        applications=draw(applications(names, length)),
        length=length,
        late=draw(st.sampled_from((*(0,) * 16, 1, -5, 6, 9 * 24))),
        counters=draw(_one_in(5)),
        remembered=draw(st.sampled_from((None, 5, 6, 24))),
        factor=draw(st.sampled_from((0.0, 0.02, 0.3, 1.0, 2.0))),
        ownership=draw(st.sampled_from(("floor", "exact", "external"))),
        guards=draw(_guards),
        running={
            "hot": draw(st.tuples(_running, _running, _running)),
            "warm": draw(st.tuples(_running, _running)),
            "cold": (draw(_running),),
        },
        most=draw(st.none() | st.integers(3, 12)),
        demoted=draw(_one_in(20)),
        silent_host=draw(st.sampled_from(("", "", "", "b"))),
        unready=draw(st.sampled_from((0, 0, 0, 1, 3))),
        changed_hours_ago=tuple(draw(st.lists(st.integers(-2, 5), max_size=2))),
    )
