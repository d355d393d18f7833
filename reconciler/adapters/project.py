"""Where things are: the Pulumi project around the working directory, its stack file, and tiercast's own folder.

`.tiercast/<stack>/` holds what runs write: plan, demand, models, memory, prices, ledger, reports. It can be deleted at any
time; only the ledger is history, and without the memory the tests of the forecasts start again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.adapters.engine import Engine
from reconciler.adapters.engine_process import Watch
from reconciler.adapters.files import mount_lost, os_errors_as_unavailable, read_placed, read_yaml
from reconciler.adapters.lock import stack_lock
from reconciler.adapters.prices.cache import Priced
from reconciler.adapters.prices.commitments import Held, account, with_held
from reconciler.adapters.prices.source import priced
from reconciler.adapters.sources.known import source_of
from reconciler.errors import InputError, Unavailable, UsageError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.prices.catalogue import Catalogue

#: Pulumi's own variables for policy packs and their configuration.
POLICY_PACK = "PULUMI_OPTION_POLICY_PACK"
POLICY_CONFIG = "PULUMI_OPTION_POLICY_PACK_CONFIG"
#: What makes a folder a policy pack.
PACK_FILE = "PulumiPolicy.yaml"
#: Pulumi's rule for names of stacks; dots alone are folders.
_PART = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Project:
    """One Pulumi project with the stack that is worked on.

    home: the project's own root, where `root` is a private copy of it. drafts: folder of plan and demand while they are only
    proposed; None: they are the newest ones of the stack. pack, pack_config: the policy pack and its
    configuration in that copy; None: as the environment names them.
    """

    root: Path
    name: str
    stack: str
    config_dir: Path
    fleet_path: Path
    home: Path | None = None
    drafts: Path | None = None
    pack: Path | None = None
    pack_config: Path | None = None

    @property
    def stack_file(self) -> Path:
        """`Pulumi.<stack>.yaml`."""
        return self.config_dir / f"Pulumi.{self.stack_name}.yaml"

    @property
    def stack_file_lock(self) -> Path:
        """Held by a command while it writes the stack file."""
        return self.work / "stack-file.lock"

    @property
    def stack_name(self) -> str:
        """The stack's name without organisation and project, which Pulumi leaves out of names of files and policies."""
        return self.stack.rpartition("/")[2]

    @property
    def program(self) -> Path:
        """Folder of the Pulumi program: `main` of Pulumi.yaml, else `stacks/`."""
        settings = read_yaml(self.root / "Pulumi.yaml", "a Pulumi project file")
        named = self.root / str(settings.get("main") or "." if isinstance(settings, dict) else ".")
        folder = named.parent if named.is_file() else named
        return folder if folder.resolve() != self.root.resolve() else self.root / "stacks"

    @property
    def work(self) -> Path:
        """Folder of this stack's plan, demand, models, ledger and reports."""
        return (self.home or self.root) / ".tiercast" / self.stack_name

    @property
    def plan_file(self) -> Path:
        """The newest plan."""
        return (self.drafts or self.work) / "plan.json"

    @property
    def demand_file(self) -> Path:
        """The demand that the newest plan was sized for: what the policies compare the configuration with."""
        return (self.drafts or self.work) / "demand.json"

    @property
    def ledger_file(self) -> Path:
        """Append-only record of decisions."""
        return self.work / "ledger.jsonl"

    @property
    def runs(self) -> Path:
        """Folder of the inputs of past decisions."""
        return self.work / "runs"

    @property
    def memory_file(self) -> Path:
        """The last run's forecasts and how earlier ones did: what demotion is decided from."""
        return self.work / "memory.json"

    @property
    def models(self) -> Path:
        """Folder of kept models."""
        return self.work / "models"

    def read_fleet(self) -> Fleet:
        """The fleet file, validated; its source of demand is one that is known.

        Raises:
            InputError: it is missing, or has a fault.
            Unavailable: its folder is missing or empty, as it is while a mount is lost.
        """
        location = str(self.fleet_path)
        with os_errors_as_unavailable():
            if mount_lost(self.fleet_path):
                raise Unavailable(
                    f"{location}: no such file; its folder is missing or empty.",
                    remedy="Mount the folder, or correct the path.",
                )
        raw, places = read_placed(self.fleet_path, "a fleet file (`tiercast init` writes one)")
        fleet = parse_fleet(raw, location, places, stack=self.stack_name)
        source_of(fleet, self.fleet_path.parent, location=location)
        return fleet

    def read_catalogue(self, fleet: Fleet, *, now: datetime) -> Priced:
        """The prices that the fleet names a source for, with what the plan must say about them."""
        return priced(fleet, base=self.fleet_path.parent, kept=self.work, now=now)

    def with_held(self, fleet: Fleet, catalogue: Catalogue, *, now: datetime) -> Held:
        """The fleet with what its account has committed to, where it leaves that to AWS."""
        ask = account(fleet, project=self.name, stack=self.stack_name)
        return with_held(fleet, catalogue, ask=ask, kept=self.work / "commitments.json", now=now)

    def backend(self) -> str:
        """URL of the backend that holds this stack's state: as Pulumi finds it, "" where nobody is logged in."""
        named = os.environ.get("PULUMI_BACKEND_URL", "")
        settings = read_yaml(self.root / "Pulumi.yaml", "a Pulumi project file")
        declared = settings.get("backend") if isinstance(settings, dict) else None
        url = named or str(declared.get("url", "") if isinstance(declared, dict) else "")
        if url:
            return url
        home = Path(os.environ.get("PULUMI_HOME", "") or Path.home() / ".pulumi")
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return str(json.loads((home / "credentials.json").read_text(encoding="utf-8")).get("current", ""))
        return ""

    def locked(self, command: str, *, now: datetime) -> AbstractContextManager[str]:
        """The stack's lock for a command (see `reconciler.adapters.lock`)."""
        return stack_lock(self.backend(), self.work, project=self.name, stack=self.stack, command=command, now=now)

    def _pack(self) -> Path:
        """Folder of the policy pack; errors as `engine`."""
        names = [name for name in os.environ.get(POLICY_PACK, "").split(",") if name]
        if not names:
            return self.root / "policies"
        if len(names) > 1:
            raise InputError(
                ", ".join(names),
                f"{POLICY_PACK} names {len(names)} packs, but tiercast judges by one.",
                "Name the pack that decides, and run `pulumi preview --policy-pack` for the others.",
            )
        found = next((p for p in (Path(names[0]).absolute(), self.root / names[0]) if (p / PACK_FILE).exists()), None)
        if found is None:
            raise InputError(
                names[0], f"{POLICY_PACK} names it, but it has no {PACK_FILE}.", "Fix the path, or unset it."
            )
        return found

    def engine(self) -> Engine:
        """The engine on this stack, with the policy pack and its configuration.

        The pack is the folder that PULUMI_OPTION_POLICY_PACK names (CI names the one of the base branch), else the
        project's own `policies/`. Its configuration is the file that PULUMI_OPTION_POLICY_PACK_CONFIG names, else
        `config.<stack>.json` in the pack, else `config.json` there. Where one is missing the engine has none of it: it reads
        state, and `judging_engine` refuses.

        Raises:
            InputError: a variable names what is not there (the pack's defaults may be more lenient), or several packs.
        """
        if self.home is not None:
            # The copy's modules are imported, not those that are installed or that lie in the project now.
            paths = dict.fromkeys(str(p) for p in (self.root, self.pack.parent if self.pack else None) if p)
            path = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH", "")])])
            return Engine(
                root=self.root,
                stack=self.stack,
                project=self.name,
                environment={"PYTHONPATH": path},
                policy_pack=self.pack,
                policy_config=self.pack_config,
            )
        pack = self._pack()
        given = os.environ.get(POLICY_CONFIG, "")
        config = Path(given).absolute() if given else pack_config(pack, self.stack_name)
        if given and not config.exists():
            raise InputError(
                str(config), f"{POLICY_CONFIG} names it, but it is not there.", "Fix the path, or unset it."
            )
        return Engine(
            root=self.root,
            stack=self.stack,
            project=self.name,
            environment={},
            policy_pack=pack if (pack / PACK_FILE).exists() else None,
            policy_config=config if config.exists() else None,
        )

    def judging_engine(self, *, no_policies: bool, watch: Watch | None = None) -> Engine:
        """The engine for a preview or an update: with the policy pack and its configuration, or deliberately without.

        `watch` says what the engine would wait for in vain (see `Engine`).

        Raises:
            InputError: as `engine`; also where pack or configuration is missing and `no_policies` is not set.
        """
        engine = self.engine()
        if no_policies:
            return replace(engine, policy_pack=None, policy_config=None, watch=watch)
        if engine.policy_pack is None:
            raise InputError(
                str(self.root / "policies"),
                f"there is no policy pack: expected {PACK_FILE} in this folder.",
                f"Restore it, name a pack with {POLICY_PACK}, or give --no-policies.",
            )
        if engine.policy_config is None:
            raise InputError(
                str(pack_config(engine.policy_pack, self.stack_name)),
                "the policy pack has no configuration for this stack.",
                f"Write it (docs/policies.md shows one), name a file with {POLICY_CONFIG}, or give --no-policies.",
            )
        return replace(engine, watch=watch)


def pack_config(pack: Path, stack: str) -> Path:
    """Where a pack keeps its configuration for a stack: `config.<stack>.json`, or `config.json` where only that is there."""
    own, common = pack / f"config.{stack}.json", pack / "config.json"
    return common if common.exists() and not own.exists() else own


def find_project(start: Path, *, stack: str | None, fleet: Path | None) -> Project:
    """The project whose Pulumi.yaml is in `start` or above it.

    Args:
        start: folder to begin with.
        stack: the stack's name; None takes PULUMI_STACK.
        fleet: the fleet file; None takes TIERCAST_FLEET, else `fleet.yaml` beside Pulumi.yaml.

    Raises:
        InputError: there is no Pulumi.yaml, or it has no name.
        UsageError: no stack was named, or what was named is no name of one.
    """
    root = next((p for p in (start, *start.parents) if (p / "Pulumi.yaml").exists()), None)
    if root is None:
        raise InputError(
            str(start), "there is no Pulumi.yaml here or above.", "Run this inside the project, or `tiercast init`."
        )
    settings = read_yaml(root / "Pulumi.yaml", "a Pulumi project file")
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise InputError(str(root / "Pulumi.yaml"), "`name` is missing.", "Give the project a name.")
    chosen = stack or os.environ.get("PULUMI_STACK", "")
    if not chosen:
        raise UsageError("No stack is named: give --stack NAME or set PULUMI_STACK.")
    if not all(_PART.fullmatch(part) for part in chosen.split("/")) or chosen.count("/") > 2:
        raise UsageError(
            f"'{chosen}' is no stack's name: expected at most 100 letters, digits, `-`, `_` and `.`, and before it at most "
            "organisation/project/; give --stack or set PULUMI_STACK."
        )
    path = fleet or Path(os.environ.get("TIERCAST_FLEET", "") or root / "fleet.yaml")
    return Project(
        root=root,
        name=settings["name"],
        stack=chosen,
        config_dir=root / settings.get("stackConfigDir", "."),
        fleet_path=path,
    )
