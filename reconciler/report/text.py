"""Plan and preview as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reconciler.observe.redaction import printable
from reconciler.plan.file import PlanFile
from reconciler.plan.signature import signed_line
from reconciler.report.summary import CLASS_HEAD, TIER_HEAD, Summary, blocked_line, class_cells, tier_cells


def terminal(summary: Summary) -> RenderableType:
    """Headline, tiers, classes, steps and violations of policies."""
    colour = {"no change": "green", "changes": "yellow", "refused": "red"}[summary.verdict]
    parts: list[RenderableType] = [shown(summary.headline(), style=f"bold {colour}"), plan_tables(summary.plan)]
    for step in summary.steps:
        keys = f"  [{', '.join(step.keys)}]" if step.keys else ""
        parts.append(shown(f"  {step.op:<8} {step.type.rsplit(':', 1)[-1]} {step.name}{keys}"))
    parts += [shown(f"  {line}", style="yellow" if "--allow-dip" in line else "") for line in summary.order]
    for violation in summary.violations:
        word, style = ("refused", "red") if violation.refuses else ("warning", "yellow")
        parts.append(shown(f"{word} by {violation.policy}: {violation.message}", style=style))
    if blocked := blocked_line(summary.plan):
        parts.append(shown(blocked, style="yellow"))
    return Group(*parts)


def plan_tables(plan: PlanFile) -> RenderableType:
    """Tiers, classes, notes and the plan's id."""
    return Group(
        table(TIER_HEAD, [tier_cells(t) for t in plan.tiers]),
        table(CLASS_HEAD, [class_cells(c) for c in plan.classes]),
        *(shown(f"note: {reason}") for reason in plan.notes),
        shown(
            f"plan {plan.id}, history up to {plan.cutoff:%Y-%m-%d %H:%M} UTC, valid until {plan.valid_until.isoformat()}, "
            f"{signed_line(plan)}"
        ),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table without outer edges. Long cells are folded."""
    found = Table(show_edge=False, pad_edge=False)
    for name in head:
        found.add_column(name, overflow="fold")
    for row in rows:
        found.add_row(*(shown(cell) for cell in row))
    return found


def shown(text: str, style: str = "") -> Text:
    """Text from data, with markup shown literally and control characters replaced."""
    return Text(printable(text), style=style)


def plain(renderable: RenderableType, *, width: int = 120) -> str:
    """The text that a terminal of this width shows, without colours."""
    console = Console(width=width, no_color=True, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()
