"""The reason of each demotion: why a forecast is not used, one function for one sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from reconciler.fleet.types import spoken


def interval_misses(*, nominal: float, tolerated: float) -> str:
    """The coverage test of a rung alarmed."""
    return f"its {100 * nominal:g} % interval misses more than {100 * tolerated:.3g} % of the steps"


def loss_above_baseline() -> str:
    """The loss test of a rung alarmed."""
    return "its pinball loss is above that of the reactive baseline"


def failed(rung: str, why: str) -> str:
    """A rung fell by one of its tests."""
    return f"the {rung} forecast failed: {why}"


def source_silent() -> str:
    """The source of demand does not answer."""
    return "the source of demand does not answer; the observed sizes are kept."


def data_too_old(age: timedelta) -> str:
    """The newest data is too old for any forecast."""
    return f"the newest data is {spoken(age)} old; the observed sizes are kept."


def data_old(age: timedelta, *, most: timedelta) -> str:
    """The newest data is too old for the model, not for the season."""
    return f"the newest data is {spoken(age)} old (limit {spoken(most)}): using the same time of the last season."


def replaced(rung: str, model: str) -> str:
    """A group's forecast was replaced by that of a rung."""
    return f"demoted: {rung} replaces {model}"


def too_few_scored(done: int, enough: int) -> str:
    """A new stack, or one that lost its memory, is not scaled down before enough forecasts were scored."""
    return f"a scale-down needs {enough} scored forecasts, and this stack's memory has {done}"


def replay_knows_later_steps() -> str:
    """A replay must not use scores of steps after its time."""
    return "replay: the kept forecast scores are not used, because they include later steps"


def demoted_groups(names: Sequence[str], rung: str, why: str) -> str:
    """All groups that are on a rung for the same reason."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"forecast of {', '.join(names[:5])}{more}: demoted to {rung} ({why.rstrip('.')}); nothing is scaled down"
