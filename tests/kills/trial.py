"""One kill: the run that is killed, the runs after it until nothing is left to do, and what then does not hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.plugins.killing import VARIABLE
from reconciler.adapters.pins import change_pins
from reconciler.adapters.project import find_project
from stacks.contract import Pin, Pins, Tier
from tests.e2e.world_site import FleetOnLab
from tests.kills.cases import Kill
from tests.kills.oracle import faults

RECONCILE = (sys.executable, "-m", "reconciler.cli", "reconcile", "--mode", "apply", "--no-policies", "--json")
#: Runs that a fleet may take to converge, the last of which has nothing to do; and seconds that one may take.
RUNS, RUN_SECONDS = 5, 300.0
#: Seconds between runs: those of a service that starts every few seconds.
PAUSE = 2.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a kill or a pair.

    Attributes:
        number, case: which kill or pair it was. inside: whether the kill was to be in a provider call. hit: whether the process
            was killed before the run ended.
        runs: after the killed one, the last of which had nothing to do.
        said: last line of each run that failed. faults: what does not hold afterwards.
    """

    number: int
    case: str
    runs: int
    seconds: float
    inside: bool = False
    hit: bool = False
    said: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def prepare(site: FleetOnLab, *, grown: bool, image: int) -> None:
    """Write the wanted fleet: its sizes as pins, because a young stack's forecast shrinks nothing. `image`: what the launch
    templates differ by."""

    def change(fleet: dict[str, Any]) -> None:
        for tier in ("warm", "cold"):
            launch = fleet["tiers"][tier]["launch"]
            fleet["tiers"][tier]["launch"] = {**launch, "user_data": f"#!/bin/sh\n# {image}\n"}

    site.configure(change)
    now = datetime.now(UTC)
    sizes = {Tier.HOT: 2, Tier.WARM: 1, Tier.COLD: 2}
    common = {"until": now + timedelta(hours=6), "reason": "the case wants it", "set_by": "kills", "set_at": now}
    pins = Pins(tiers={tier: Pin(count=size + grown, **common) for tier, size in sizes.items()})
    change_pins(find_project(site.root, stack=site.lab.stack, fleet=site.root / "fleet.yaml"), lambda _: pins)


def tried(site: FleetOnLab, kill: Kill, *, image: int) -> Outcome:
    """Carry out a kill on a fleet that has converged, and converge again."""
    began = time.monotonic()
    hit = killed(site, kill, image=image)
    inside = kill.plot is not None
    return after(site, grown=kill.grown, number=kill.number, case=kill.describe(), began=began, inside=inside, hit=hit)


def killed(site: FleetOnLab, kill: Kill, *, image: int) -> bool:
    """Make the change of a kill in a run that is killed; whether it was killed before it ended."""
    prepare(site, grown=kill.grown, image=image)
    running = site.virsh(0, "list", "--name").split()
    if kill.change in ("stopped", "gone") and running:
        site.virsh(0, "destroy", running[0])
        if kill.change == "gone":
            site.virsh(0, "undefine", running[0])
    return _killed(site, kill)


def after(site: FleetOnLab, *, grown: bool, began: float, **known: Any) -> Outcome:
    """Converge, look, and say what came of it; `known`: what is known of the outcome by now."""
    runs, said = converged(site)
    wrong = [*known.pop("faults", ()), *faults(site, grown=grown)]
    wrong += [f"{RUNS} runs did not converge"] if runs > RUNS else []
    wrong += ["a run ended in a traceback" for line in said if "Traceback" in line]
    seconds = round(time.monotonic() - began, 1)
    said = [*known.pop("said", ()), *said]
    return Outcome(**known, runs=runs, seconds=seconds, said=said, faults=wrong)


def converged(site: FleetOnLab) -> tuple[int, list[str]]:
    """Run until a run has nothing to do; how many runs that took (one more than RUNS: it never did), and what failed ones said."""
    said: list[str] = []
    for number in range(1, RUNS + 1):
        done = site.call(*RECONCILE, timeout=RUN_SECONDS)
        if done.returncode == 0 and json.loads(done.stdout)["verdict"] == "no change":
            return number, said
        if done.returncode != 0:
            said.append("Traceback" if "Traceback" in done.stderr else done.stderr.strip()[-400:] or done.stdout[-400:])
        time.sleep(PAUSE)
    return RUNS + 1, said


def _killed(site: FleetOnLab, kill: Kill) -> bool:
    """A run that is killed; whether it was before the run had ended."""
    file = site.root / "plot.json"
    done = Path(f"{file}.done")
    done.unlink(missing_ok=True)
    if kill.plot is not None:
        file.write_text(json.dumps(asdict(kill.plot)), encoding="utf-8")
    started = site.start(*RECONCILE, variables={VARIABLE: str(file)})
    try:
        if kill.plot is None and _waited(started, kill.after):
            victims = [started.pid] if kill.victim == "reconciler" else _below(started.pid, _names(kill))
            for pid in victims[:1]:
                os.kill(pid, signal.SIGKILL)
            hit = bool(victims)
        else:
            hit = False
        started.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        raise
    finally:
        file.unlink(missing_ok=True)
    return done.exists() or hit


def _waited(started: subprocess.Popen[str], seconds: float) -> bool:
    """Whether a run still runs after so long."""
    try:
        started.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _names(kill: Kill) -> tuple[str, ...]:
    return ("lab.plugins.aws", "lab.plugins.libvirt") if kill.victim == "plugin" else ("/pulumi\0",)


def _below(pid: int, parts: Iterable[str]) -> list[int]:
    """Processes that a process started, also through others, whose command line has one of the parts."""
    parents, commands = _processes()
    found, last = set[int](), {pid}
    while last:
        last = {child for child, parent in parents.items() if parent in last}
        found |= last
    wanted = tuple(parts)
    return sorted(one for one in found if any(part in commands[one] for part in wanted))


def _processes() -> tuple[Mapping[int, int], Mapping[int, str]]:
    """Parent and command line by process."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8")
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    return parents, commands
