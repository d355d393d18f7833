"""The whole pipeline on the lab, as a person would type it: every line that starts with $ is the real command.

Nothing is staged: the commands run as processes, the machines are asked over HTTP, the cloud over its API. A command that
ends otherwise than it should stops the demonstration.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lab import sights
from lab.env import environment
from lab.errors import LabError
from lab.fleet import fleet_path, write_fleet
from lab.model import Lab
from reconciler.adapters.files import read_yaml, write_text

Say = Callable[[str], None]

#: The demonstration's time in the trace: a Wednesday morning in June 2013, eight o'clock in New York.
START = datetime(2013, 6, 12, 12, tzinfo=UTC)
HALF_A_DAY = timedelta(hours=12)


def dearer(config: Any) -> None:
    """Raise the cold group's maximum a hundredfold."""
    size = config["tiercast:cold"]["groups"][0]["size"]
    size["max"] = 100 * (size["max"] + 1)


def smaller(config: Any) -> None:
    """Take all but one hot machine away, and every promised cloud instance."""
    del config["tiercast:hot"]["slots"][1:]
    for tier in ("tiercast:warm", "tiercast:cold"):
        for group in config[tier]["groups"]:
            group["size"].update({"min": 0, "desired": 0})


#: Edits that somebody could make by hand, each refused by the policy named.
EDITS: tuple[tuple[str, str, Callable[[Any], None]], ...] = (
    ("somebody raises the cold group's maximum a hundredfold", "cost-ceiling", dearer),
    ("somebody takes all but one machine away", "latency-slo", smaller),
)


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One run: the lab, the environment of its commands, and where lines are printed."""

    lab: Lab
    variables: dict[str, str]
    say: Say

    def tiercast(self, *arguments: str, expect: tuple[int, ...] = (0,), quiet: bool = False) -> str:
        """Run a command, show it and its output, and return its standard output.

        Raises:
            LabError: it ended with another exit code than expected.
        """
        self.say(f"\n$ tiercast {' '.join(arguments)}")
        command = [sys.executable, "-m", "reconciler.cli", *arguments]
        with subprocess.Popen(
            command, cwd=self.lab.root, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                out, err = process.communicate(timeout=600)
            except BaseException:
                # The child got the terminal's interrupt too: it ends by itself, the engine in good order.
                process.wait(timeout=60)
                raise
        if not quiet or process.returncode not in expect:
            self.say(out.rstrip())
        if process.returncode not in expect:
            self.say(err.rstrip())
            wanted = " or ".join(map(str, expect))
            raise LabError(f"`tiercast {' '.join(arguments)}` ended with {process.returncode}, expected {wanted}.")
        if err.strip() and process.returncode != 0 and not out.strip():
            self.say(err.rstrip())
        return out


def run(lab: Lab, *, history: Path | None, say: Say) -> int:
    """The demonstration; returns the exit code.

    `history` replaces the built-in demand by a file in the project's format; then its end is the time of the plan and the
    half day before it the time of the first one.
    """
    began = time.monotonic()
    write_fleet(lab, history=history)
    variables = {**os.environ, **environment(lab), "COLUMNS": "140"}
    it = Demonstration(lab=lab, variables=variables, say=say)
    plan = f".tiercast/{lab.stack}/plan.json"
    first, second = (START, START + HALF_A_DAY) if history is None else _end_of(history, lab)
    say(
        f"\n=== 1. Real demand, forecast, sizes (replay at {first:%Y-%m-%d %H:%M} UTC, fleet file {fleet_path(lab).name})"
    )
    it.tiercast("plan", "--as-of", _iso(first))
    say("\n=== 2. Preview by the real engine, with the policy pack")
    it.tiercast("preview", expect=(0, 2))
    say("\n=== 3. Apply exactly that")
    it.tiercast("up", "--approved", plan)
    sights.machines(lab, say)
    sights.cloud(lab, say)
    say(f"\n=== 4. Half a day later ({second:%Y-%m-%d %H:%M} UTC): only what differs")
    it.tiercast("plan", "--as-of", _iso(second))
    it.tiercast("preview", expect=(0, 2))
    it.tiercast("up", "--approved", plan)
    say("\n=== 5. Again, without new data: nothing to do (exit 0)")
    it.tiercast("reconcile", "--mode", "apply", "--as-of", _iso(second), quiet=True)
    say("nothing to do, exit 0")
    _refusals(it)
    _ending(it, time.monotonic() - began)
    return 0


def _refusals(it: Demonstration) -> None:
    """Two edits by hand, refused at the preview; the machines and groups before and after are compared."""
    stack_file = it.lab.root / f"Pulumi.{it.lab.stack}.yaml"
    kept = stack_file.read_text(encoding="utf-8")
    before = sights.fingerprint(it.lab)
    for number, (what, policy, edit) in enumerate(EDITS, start=6):
        it.say(f"\n=== {number}. Refused: {what} in Pulumi.{it.lab.stack}.yaml")
        try:
            write_text(stack_file, edited(kept, edit))
            found = json.loads(it.tiercast("preview", "--json", expect=(3,), quiet=True))
        finally:
            write_text(stack_file, kept)
        refusals = [v for v in found["violations"] if v["level"] == "mandatory"]
        for violation in refusals:
            it.say(f"refused by {violation['policy']}: {violation['message']}")
        if policy not in {violation["policy"] for violation in refusals}:
            raise LabError(f"the preview was refused, but not by {policy}. See the lines above.")
        if sights.fingerprint(it.lab) != before:
            raise LabError("A refused preview changed resources.")
    it.say("\nexit 3 both times; machines and groups did not change")


def edited(text: str, edit: Callable[[Any], None]) -> str:
    """The stack file after an edit by hand."""
    yaml = YAML()
    yaml.width = 10_000
    data: Any = yaml.load(text)
    edit(data["config"])
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def _ending(it: Demonstration, seconds: float) -> None:
    it.say("\n=== Running now: instances, cost, risk")
    it.tiercast("status")
    it.say("\nArtefacts:")
    for name, what in (
        (f"Pulumi.{it.lab.stack}.yaml", "the reviewed file: sizes and the demand that they serve"),
        (f".tiercast/{it.lab.stack}/plan.json", "the plan with its reasons, bound to what was previewed"),
        (f".tiercast/{it.lab.stack}/preview.html", "the preview as a page (also .md for pull requests, .json, .txt)"),
        (f".tiercast/{it.lab.stack}/ledger.jsonl", "every decision, only appended"),
    ):
        it.say(f"  {name:<34} {what}")
    it.say(
        f'\nDone in {seconds:.0f} s. By hand: eval "$(.venv/bin/tiercast lab env)"; pulumi preview. `make clean` removes it all.'
    )


def _end_of(history: Path, lab: Lab) -> tuple[datetime, datetime]:
    """Half a day before the end of a user's history, and its end."""
    from reconciler.adapters.history.source import read_demand
    from reconciler.fleet.file import parse_fleet

    path = fleet_path(lab)
    found = read_demand(parse_fleet(read_yaml(path, "a fleet file"), str(path)), base=history.parent, as_of=None)
    return found.end - HALF_A_DAY, found.end


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")
