"""What a refresh found otherwise than the state, from the engine's events. Values are compared and not kept."""

from __future__ import annotations

from collections.abc import Iterable

from pulumi.automation.events import EngineEvent, StepEventMetadata

from reconciler.observe.preview import RefreshStep
from reconciler.observe.same_value import changed_keys


def refreshed_of(events: Iterable[EngineEvent]) -> tuple[RefreshStep, ...]:
    """One entry per resource with a difference, sorted. Components and providers hold nothing that could differ."""
    found = []
    for event in events:
        done = event.res_outputs_event
        if (
            done is None
            or done.metadata.op.value != "refresh"
            or done.metadata.type.startswith(("pulumi:", "tiercast:"))
        ):
            continue
        step = _refreshed(done.metadata)
        if step.gone or step.keys or step.noise:
            found.append(step)
    return tuple(sorted(found))


def _refreshed(meta: StepEventMetadata) -> RefreshStep:
    if meta.new is None or meta.old is None:
        return RefreshStep(urn=meta.urn, type=meta.type, gone=meta.new is None)
    declared, now = meta.old.inputs or {}, meta.new.inputs or {}
    moved = changed_keys(declared, now)
    keys = tuple(key for key in moved if key in declared)
    shown = {key.partition(".")[0].partition("[")[0] for key in meta.diffs or ()}
    return RefreshStep(urn=meta.urn, type=meta.type, keys=keys, noise=tuple(sorted(({*moved} | shown) - {*keys})))
