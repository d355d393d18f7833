"""Create a stack in its backend. The stack file keeps the values that it has."""

from __future__ import annotations

from pathlib import Path

from reconciler.adapters.engine import Engine
from reconciler.adapters.files import read_text, write_text
from reconciler.plan.render import read_config, render


def ensure_stack(engine: Engine, path: Path) -> None:
    """Create the stack where it is missing.

    The CLI then writes the stack file again, to add the salt of its encryption, and turns booleans and numbers into text.
    They are put back, because a plan does not hold for a file whose values were changed.

    Raises:
        As `Engine.ensure_stack`, and InputError, Unavailable: the stack file can't be read or written.
    """
    before = read_text(path, "a stack file") if path.exists() else ""
    engine.ensure_stack()
    after = read_text(path, "a stack file") if path.exists() else ""
    if before and after != before:
        values = read_config(before, str(path))
        write_text(path, render(after, values, own=frozenset(values), location=str(path)), through_link=True)
