"""The Pulumi engine, through the Automation API: preview, up, destroy, state. The only file that starts the CLI.

Preview data is taken from events (operation, URN, type, differing keys), never by parsing text. Events carry state and
secrets, so nothing else of them is kept; an engine's error text is reduced to its diagnostics before anybody sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pulumi.automation as automation
from pulumi.automation.events import EngineEvent, StepEventMetadata

from reconciler.adapters.engine_process import LOST_REMEDY, Watch, engine_command
from reconciler.adapters.known_secrets import known_secrets
from reconciler.adapters.pack_digest import pack_digest
from reconciler.adapters.refreshed import refreshed_of
from reconciler.errors import EngineError, TiercastError, Unavailable, UserError
from reconciler.observe.engine_faults import known_fault
from reconciler.observe.preview import QUIET, Checkpoint, PolicyViolation, Preview, PreviewStep, StateResource
from reconciler.observe.redaction import printable, redacted

#: Called with each step that is done.
Progress = Callable[[PreviewStep], None]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack of one project.

    `root` is the folder of Pulumi.yaml, `project` its name; `environment` is added to the process's own for the CLI
    (backend, passphrase file, credentials); `policy_pack` and `policy_config` are passed to every preview and update. `watch`
    says what the engine waits for in vain: it is asked while a command runs and when it fails.
    """

    root: Path
    stack: str
    project: str
    environment: Mapping[str, str]
    policy_pack: Path | None = None
    policy_config: Path | None = None
    watch: Watch | None = None

    def ensure_stack(self) -> None:
        """Create the stack in its backend where it is missing."""
        try:
            automation.create_or_select_stack(stack_name=self.stack, work_dir=str(self.root), opts=self._options())
        except automation.CommandError as error:
            raise self._translated(error, []) from None

    def preview(
        self, *, refresh: bool = False, exclude: Sequence[str] = (), progress: Progress | None = None
    ) -> Preview:
        """What `pulumi up` would do; changes nothing. Policy refusals are data, other failures raise.

        Raises:
            EngineError: the program, a provider or the configuration failed.
            Unavailable: another update holds the stack's lock.
        """
        return self._judged(self._select().preview, refresh=refresh, exclude=exclude, progress=progress)

    def up(self, *, refresh: bool = False, exclude: Sequence[str] = (), progress: Progress | None = None) -> Preview:
        """Apply, with the policy pack; call only after `preview` was accepted. Returns what was done.

        Raises:
            EngineError, Unavailable: as `preview`; what was already done stays done, and a later run starts from it.
        """
        up = partial(self._select().up, show_secrets=False)
        return self._judged(up, refresh=refresh, exclude=exclude, progress=progress)

    def state(self) -> tuple[StateResource, ...]:
        """The resources that the last update left, without reading the providers; none if the stack does not exist."""
        return self.checkpoint().resources

    def checkpoint(self) -> Checkpoint:
        """The state that the last update or refresh left, and when."""
        try:
            # The command names the stack, so that selecting it first would only cost another call.
            deployment = self._workspace().export_stack(self.stack).deployment or {}
        except automation.StackNotFoundError:
            return Checkpoint()
        except automation.CommandError as error:
            raise self._translated(error, []) from None
        written = (deployment.get("manifest") or {}).get("time")
        resources = tuple(
            StateResource(
                urn=r["urn"],
                type=r["type"],
                id=r.get("id", ""),
                inputs=r.get("inputs", {}),
                outputs=r.get("outputs", {}),
            )
            for r in deployment.get("resources", [])
            if not r.get("delete")
        )
        return Checkpoint(resources=resources, at=_time(written))

    def run(self, *arguments: str) -> str:
        """What a command of the CLI prints for this stack, for what the Automation API has no call.

        Raises:
            EngineError, Unavailable: as `preview`.
        """
        workspace = self._select().workspace
        try:
            done = workspace.pulumi_command.run(
                [*arguments, "--stack", self.stack, "--color", "never"], workspace.work_dir, workspace.env_vars
            )
        except automation.CommandError as error:
            raise self._translated(error, []) from None
        return done.stdout

    def policy_digest(self) -> str:
        """SHA-256 over everything that the policies decide by (see `pack_digest`): part of what an approval is bound to."""
        stack = self.stack.rpartition("/")[2]
        return pack_digest(self.policy_pack, self.policy_config, project=self.project, stack=stack)

    def _judged(
        self, run: Callable[..., object], *, refresh: bool, exclude: Sequence[str], progress: Progress | None
    ) -> Preview:
        """What a preview or an update did, run with the policy pack."""
        events: list[EngineEvent] = []
        try:
            run(
                refresh=refresh or None,
                exclude=list(exclude) or None,
                policy_packs=self._packs(),
                policy_pack_configs=self._pack_configs(),
                on_event=_collector(events, progress),
                color="never",
            )
        except automation.CommandError as error:
            found = self._found(events, failed=True)
            if found.refusals:
                return found
            raise self._translated(error, events) from None
        return self._found(events, failed=False)

    def _found(self, events: Sequence[EngineEvent], *, failed: bool) -> Preview:
        return replace(_preview(events, self._shown, failed=failed), judged=self.policy_pack is not None)

    def _workspace(self) -> automation.LocalWorkspace:
        given = self._options()
        return automation.LocalWorkspace(
            work_dir=str(self.root), env_vars=given.env_vars, pulumi_command=given.pulumi_command
        )

    def _select(self) -> automation.Stack:
        try:
            return automation.select_stack(stack_name=self.stack, work_dir=str(self.root), opts=self._options())
        except automation.StackNotFoundError:
            raise UserError(
                f"There is no stack '{self.stack}' in this backend.",
                remedy=f"Create it with `pulumi stack init {self.stack}`.",
            ) from None
        except automation.CommandError as error:
            raise self._translated(error, []) from None

    def _options(self) -> automation.LocalWorkspaceOptions:
        # The CLI adds what these variables name to what its flags name: the pack is given by flags alone. Empty names none.
        quiet = {"PULUMI_OPTION_POLICY_PACK": "", "PULUMI_OPTION_POLICY_PACK_CONFIG": ""}
        # A refresh while the program runs. The other kind reads all resources first, and then shows the policies what the same
        # update deletes, so that they refuse every removal.
        quiet["PULUMI_RUN_PROGRAM"] = "true"
        environment = {**self.environment, **quiet}
        return automation.LocalWorkspaceOptions(env_vars=environment, pulumi_command=engine_command(self.watch))

    def _translated(self, error: automation.CommandError, events: Sequence[EngineEvent]) -> TiercastError:
        """A short error without the CLI's whole output, which may hold secrets."""
        if isinstance(error, automation.ConcurrentUpdateError):
            return Unavailable(
                "Another update holds this stack's lock.",
                remedy="Wait until that update ends. If it was killed, release the lock with `pulumi cancel`.",
            )
        if self.watch is not None and (lost := self.watch()):
            return Unavailable(lost, remedy=LOST_REMEDY)
        said = [
            e.diagnostic_event.message.strip()
            for e in events
            if e.diagnostic_event is not None and e.diagnostic_event.severity == "error"
        ]
        if not said:
            # Secrets go before the text is cut. The Automation API puts the name of the stream before its first line.
            text = self._shown(str(error)).strip()
            lines = [line.strip().removeprefix("stderr:").strip() for line in text.splitlines()]
            said = [line for line in lines if line.startswith("error:")] or [text[-300:]]
        told = self._shown("\n".join(dict.fromkeys(said)))
        if (fault := known_fault(told)) is not None:
            return (Unavailable if fault.passing else UserError)(fault.message, remedy=fault.remedy)
        return EngineError("The engine stopped: " + " ".join(told.split("\n")))

    def _shown(self, text: str) -> str:
        """Text of the engine, its plugins or the pack without secrets and control characters."""
        return printable(redacted(text, known_secrets({**os.environ, **self.environment})))

    def _packs(self) -> list[str] | None:
        return [str(self.policy_pack)] if self.policy_pack is not None else None

    def _pack_configs(self) -> list[str] | None:
        return [str(self.policy_config)] if self.policy_pack is not None and self.policy_config is not None else None


def _time(written: object) -> datetime | None:
    """The time in a checkpoint's manifest; None for a stack that was never updated (Go's zero time)."""
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.year > 1 else None


def _collector(events: list[EngineEvent], progress: Progress | None) -> Callable[[EngineEvent], None]:
    def collect(event: EngineEvent) -> None:
        events.append(event)
        if progress is None:
            return
        done = event.res_outputs_event
        if done is not None and not done.planning and done.metadata.op.value not in QUIET:
            progress(_step(done.metadata))

    return collect


def _preview(events: Sequence[EngineEvent], shown: Callable[[str], str], *, failed: bool) -> Preview:
    steps: dict[tuple[str, str], PreviewStep] = {}
    violations: list[PolicyViolation] = []
    messages: list[str] = []
    for event in events:
        if event.resource_pre_event is not None:
            step = _step(event.resource_pre_event.metadata)
            steps[step.urn, step.op] = step
        elif event.policy_event is not None:
            policy = event.policy_event
            violations.append(
                PolicyViolation(
                    policy=policy.policy_name,
                    level=str(policy.enforcement_level),
                    message=shown(_figures(policy.message)),
                    resource=(policy.resource_urn or "").rsplit("::", 1)[-1],
                )
            )
        elif event.diagnostic_event is not None and event.diagnostic_event.severity in ("warning", "error"):
            messages.append(shown(event.diagnostic_event.message.strip()))
    return Preview(
        steps=tuple(steps.values()),
        violations=tuple(sorted(set(violations))),
        messages=tuple(messages),
        failed=failed,
        refreshed=refreshed_of(events),
    )


def _step(meta: StepEventMetadata) -> PreviewStep:
    return PreviewStep(
        urn=meta.urn,
        op=str(meta.op.value),
        type=meta.type,
        keys=tuple(sorted(meta.diffs or ())),
        values=_values(meta),
    )


def _values(meta: StepEventMetadata) -> str:
    """SHA-256 over the old and new values of the inputs that an update changes.

    Creations are left out: the engine gives new resources random names, and all else in them comes from the stack file.
    """
    if meta.op.value != "update" or meta.old is None or meta.new is None:
        return ""
    names = sorted({key.partition(".")[0].partition("[")[0] for key in meta.diffs or ()})
    changed = {name: [(side.inputs or {}).get(name) for side in (meta.old, meta.new)] for name in names}
    return hashlib.sha256(json.dumps(changed, sort_keys=True, default=str).encode()).hexdigest()


def _figures(message: str) -> str:
    """A violation's own sentences: the SDK puts the policy's description on the first line."""
    first, _, rest = message.strip().partition("\n")
    return " ".join((rest or first).split())


def config_digest(text: str) -> str:
    """SHA-256 of a stack file's text."""
    return hashlib.sha256(text.encode()).hexdigest()
