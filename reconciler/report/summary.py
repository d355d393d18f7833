"""One summary of a plan and its preview. Every output format shows this summary and computes nothing itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from reconciler.observe.preview import PolicyViolation, Preview, PreviewStep
from reconciler.plan.file import ClassLine, PlanFile, TierLine
from reconciler.plan.phases import ChangeOrder
from reconciler.plan.signature import signed_line

#: Engine operation → the word in reports.
_WORDS = {"import": "import", "create": "create", "update": "update", "delete": "delete", "replace": "replace"}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A plan, its preview, and the phases in which the change is carried out (None: the file was edited)."""

    plan: PlanFile
    preview: Preview
    schedule: ChangeOrder | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """What each phase of the change adds and removes; empty where there is one."""
        found = self.schedule.phases if self.schedule is not None else ()
        return tuple(phase.describe() for phase in found) if len(found) > 1 else ()

    @property
    def dips(self) -> tuple[str, ...]:
        """How far the change lowers ready capacity, one sentence per tier; empty where it does not."""
        return tuple(dip.describe() for dip in self.schedule.dips) if self.schedule is not None else ()

    @property
    def order(self) -> tuple[str, ...]:
        """The phases, then the dips, as lines below the steps."""
        number = len(self.phases)
        lines = [f"phase {n} of {number}: {text}" for n, text in enumerate(self.phases, 1)]
        waits = ["a phase that removes waits until what was added is ready"] if number else []
        return (*lines, *waits, *(f"{dip} (approve it with --allow-dip)" for dip in self.dips))

    @property
    def verdict(self) -> str:
        """One of "no change", "changes" and "refused"."""
        if self.preview.refusals:
            return "refused"
        return "changes" if self.preview.changed else "no change"

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 2 changes, 3 refused by policy."""
        return {"no change": 0, "changes": 2, "refused": 3}[self.verdict]

    @property
    def counts(self) -> dict[str, int]:
        """Operation → number of affected resources. A replacement counts once."""
        ops = Counter(_WORDS[s.op] for s in self.preview.changed if s.op in _WORDS)
        return {word: ops[word] for word in _WORDS.values() if ops[word]}

    @property
    def steps(self) -> tuple[PreviewStep, ...]:
        """The steps that change something. A replacement is one step, not the engine's separate create and delete."""
        return tuple(s for s in self.preview.changed if s.op in _WORDS)

    @property
    def violations(self) -> tuple[PolicyViolation, ...]:
        """Refusals first, then warnings."""
        return tuple(sorted(self.preview.violations, key=lambda v: (not v.refuses, v.policy, v.message)))

    def headline(self) -> str:
        """One line: verdict, instances, USD/hour, operations."""
        plan = self.plan
        before, after = sum(t.before for t in plan.tiers), sum(t.after for t in plan.tiers)
        ops = ", ".join(f"{n} to {word}" for word, n in self.counts.items()) or "nothing to change"
        edited = "edited by hand, " if plan.edited else ""
        unjudged = "" if self.preview.judged else "NO POLICIES RAN, "
        return (
            f"{unjudged}{edited}{self.verdict}: {before} → {after} instances, "
            f"{usd(plan.usd_per_hour_before)} → {usd(plan.usd_per_hour_after)} per hour, {ops}"
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as plain values, with figures in full precision."""
        plan = self.plan.model_dump(mode="json", exclude={"config", "binding", "signature"})
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "plan": plan,
            "operations": self.counts,
            "steps": [{"op": s.op, "name": s.name, "type": s.type, "keys": list(s.keys)} for s in self.steps],
            "violations": [
                {"policy": v.policy, "level": v.level, "message": v.message, "resource": v.resource}
                for v in self.violations
            ],
            "phases": list(self.phases),
            "dips": list(self.dips),
            "messages": list(self.preview.messages),
            "approval": signed_line(self.plan),
            "no_policies": not self.preview.judged,
        }


def blocked_line(plan: PlanFile) -> str:
    """The sentence about tiers that must not be scaled down, which ends every output. Empty if there are none."""
    why: dict[str, list[str]] = {}
    for tier, text in plan.blocked.items():
        why.setdefault(text, []).append(tier)
    return "; ".join(f"{', '.join(tiers)} not scaled down: {text}" for text, tiers in why.items())


def usd(value: float) -> str:
    """An amount in USD: two decimals, or four below one dollar."""
    return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.4f}"


def percent(value: float) -> str:
    """A share in percent: two significant digits below one percent. Only 0 is shown as 0."""
    if value == 0:
        return "0 %"
    return f"{value:.1%}".replace("%", " %") if value >= 0.01 else f"{value * 100:.2g} %"


def tier_cells(line: TierLine) -> list[str]:
    """Cells of the tier table: tier, instances, kinds, USD/hour, reason."""
    kinds = ", ".join(f"{n} × {kind}" for kind, n in line.kinds.items() if n) or "-"
    money = f"{usd(line.usd_before)} → {usd(line.usd_after)}"
    served = "" if line.ready in (None, line.before) else f" ({line.ready} ready)"
    return [line.tier, f"{line.before}{served} → {line.after}", kinds, money, line.reason]


def class_cells(line: ClassLine) -> list[str]:
    """Cells of the class table: class, promise, expected latency, late requests, chance of a shortfall, demand quantiles."""
    promise = f"p{line.percentile * 100:g} ≤ {line.latency_target_ms:g} ms"
    latency = "not served" if line.latency_ms is None else f"{line.latency_ms:.0f} ms"
    late = (
        f"{percent(line.expected_share)} expected of {percent(line.allowed_share)} allowed in this window "
        f"(promise {percent(line.promised_share)})"
    )
    demand = ", ".join(f"p{float(level) * 100:g} {value:.3g}" for level, value in line.requests_per_second.items())
    return [line.name, promise, latency, late, percent(line.shortfall_probability), demand]


TIER_HEAD = ["tier", "instances", "of which", "USD/hour", "why"]
CLASS_HEAD = [
    "class",
    "promise",
    "latency",
    "late requests",
    "chance demand > capacity",
    "demand, requests/s",
]
