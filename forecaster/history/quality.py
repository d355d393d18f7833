"""What was wrong with the data and what was done about it, as data, as text and as JSON.

The rule: nothing is changed silently. Code that fixes, leaves out or reinterprets a row adds a `Finding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of defect in one source.

    `kind` a stable word for programs ("duplicate", "counter-reset", …), `count` rows or steps concerned, `where` file,
    series or time, `treatment` the sentence a person reads: what was found and what was done.
    """

    kind: str
    count: int
    where: str
    treatment: str

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON-ready values."""
        return {"kind": self.kind, "count": self.count, "where": self.where, "treatment": self.treatment}


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Summary of a history: how much there is, how much is missing, and every finding.

    `rows` counts rows of the sources, `missing_share` the share of pair × step cells inside the recorded span without a
    value (0 to 1), `first` and `last` the starts of the first and last step (UTC).
    """

    rows: int = 0
    pairs: int = 0
    users: int = 0
    applications: int = 0
    steps: int = 0
    first: datetime | None = None
    last: datetime | None = None
    missing_share: float = 0.0
    findings: tuple[Finding, ...] = ()

    def with_findings(self, findings: Iterable[Finding]) -> Quality:
        """The same summary with more findings; equal kinds of the same place are added up."""
        merged: dict[tuple[str, str], Finding] = {(f.kind, f.where): f for f in self.findings}
        for finding in findings:
            if finding.count <= 0:
                continue
            key = (finding.kind, finding.where)
            old = merged.get(key)
            merged[key] = replace(finding, count=finding.count + old.count) if old else finding
        return replace(self, findings=tuple(merged.values()))

    def count(self, kind: str) -> int:
        """How many rows or steps findings of `kind` concern, over all places."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)

    def text(self) -> str:
        """The summary for a terminal: one line of size, one line per finding."""
        span = (
            f"{self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC" if self.first and self.last else "no time"
        )
        lines = [
            f"{self.rows} rows, {self.pairs} user × application pairs ({self.users} users, {self.applications} "
            f"applications), {self.steps} steps, {span}, {self.missing_share:.1%} of the cells missing"
        ]
        lines += [f"  {f.kind} × {f.count} ({f.where}): {f.treatment}" for f in self.findings]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON-ready values."""
        return {
            "rows": self.rows,
            "pairs": self.pairs,
            "users": self.users,
            "applications": self.applications,
            "steps": self.steps,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "missing_share": round(self.missing_share, 6),
            "findings": [finding.as_json() for finding in self.findings],
        }


def merged(parts: Iterable[Quality]) -> Quality:
    """Findings and row counts of several sources in one summary; sizes are filled in by the history itself."""
    total = Quality()
    for part in parts:
        total = replace(total.with_findings(part.findings), rows=total.rows + part.rows)
    return total
