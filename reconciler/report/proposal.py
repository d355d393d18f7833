"""A proposed plan as a commit message and as a patch. Pure."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping

from reconciler.report.summary import Summary

#: Ends the message of each commit that tiercast made, by which it knows its own branch again.
TRAILER = "Tiercast-Plan"
_WIDTH = 72


def message_of(summary: Summary) -> str:
    """Commit message: the tiers that change, the headline, why, and the plan's id as a trailer."""
    plan = summary.plan
    changes = ", ".join(f"{t.tier} {t.before} → {t.after}" for t in plan.tiers if t.before != t.after)
    reasons = [f"{t.tier}: {t.reason}" for t in plan.tiers if t.before != t.after]
    body = [textwrap.fill(one, _WIDTH) for one in (summary.headline(), *reasons)]
    subject = f"Capacity of {plan.stack}: {changes or 'same sizes, other configuration'}"
    return "\n\n".join([subject, *body, f"{TRAILER}: {plan.id}"]) + "\n"


def patch_of(changes: Mapping[str, tuple[str | None, str]]) -> str:
    """A patch for `git apply` or `patch -p1`.

    Args:
        changes: path → its text before (None: there is no file) and after.
    """
    return "".join(_file(path, before, after) for path, (before, after) in sorted(changes.items()) if before != after)


def _file(path: str, before: str | None, after: str) -> str:
    lines = difflib.unified_diff(
        (before or "").splitlines(keepends=True),
        after.splitlines(keepends=True),
        fromfile="/dev/null" if before is None else f"a/{path}",
        tofile=f"b/{path}",
    )
    made = "new file mode 100644\n" if before is None else ""
    ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return f"diff --git a/{path} b/{path}\n{made}" + "".join(ended)
