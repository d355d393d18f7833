"""The preview as Markdown for a pull request on any host: one comment per project and stack, totals first."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.observe.redaction import printable
from reconciler.plan.signature import signed_line
from reconciler.report.escape import code, fence, markdown_text, marker
from reconciler.report.summary import CLASS_HEAD, TIER_HEAD, Summary, blocked_line, class_cells, tier_cells

#: Longest comment, in characters. Hosts cut or refuse comments of 65,536 characters.
LIMIT = 64_000


def markdown(summary: Summary, *, project: str, artefact: str) -> str:
    """The comment's text, at most `LIMIT` characters.

    Args:
        summary: plan and preview.
        project: name of the Pulumi project. With the stack it forms the hidden marker that identifies the comment.
        artefact: file with the whole preview, which the text names if it had to be cut.
    """
    plan = summary.plan
    icon = {"no change": "✅", "changes": "📝", "refused": "⛔"}[summary.verdict]
    parts = [
        marker(project, plan.stack),
        f"### {icon} {markdown_text(f'{project}/{plan.stack}')}: {summary.headline()}",
        "",
        _table(TIER_HEAD, [tier_cells(t) for t in plan.tiers]),
        "",
        _table(CLASS_HEAD, [class_cells(c) for c in plan.classes]),
        "",
    ]
    for violation in summary.violations:
        word = "**refused by**" if violation.refuses else "warning from"
        parts.append(f"- {word} {code(violation.policy)}: {markdown_text(violation.message)}")
    parts += [f"- {markdown_text(line)}" for line in summary.order]
    parts += [f"- {markdown_text(reason)}" for reason in plan.notes]
    if blocked := blocked_line(plan):
        parts += ["", f"**{markdown_text(blocked)}**"]
    parts += ["", f"Plan {code(plan.id)}, valid until {plan.valid_until.isoformat()}, {signed_line(plan)}.", ""]
    rows = [
        printable(f"{s.op:<8} {s.type} {s.name}" + (f" [{', '.join(s.keys)}]" if s.keys else "")).replace("\n", " ")
        for s in summary.steps
    ]
    return _cut("\n".join(parts), rows, artefact)


def _cut(head: str, rows: Sequence[str], artefact: str) -> str:
    """Head, then as many steps as fit in a collapsed block. Steps that do not fit are counted."""
    pointer = f"\nThe whole preview is in `{artefact}`.\n"
    if len(head) + len(pointer) > LIMIT:
        return head[: LIMIT - len(pointer) - 2].rsplit("\n", 1)[0] + "\n" + pointer
    if not rows:
        return head
    room = LIMIT - len(head) - len(pointer) - 200
    shown: list[str] = []
    for row in rows:
        room -= len(row) + 1
        if room < 0:
            break
        shown.append(row)
    left = len(rows) - len(shown)
    ticks = fence(shown)
    block = "\n".join((f"<details><summary>{len(rows)} steps</summary>\n", ticks, *shown, ticks, "</details>\n"))
    return head + block + (f"\n{left} more steps are not shown." + pointer if left else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
