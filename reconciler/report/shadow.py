"""Shadow plans compared with what ran, summed over their windows, and whether promotion is justified. Pure.

Promotion from `shadow` to a mode that applies is justified where all of these hold:

1. The scored windows together last at least the required time, one week unless stated otherwise: a whole weekly pattern.
2. The share of late requests is at most the promised share in every QoS class.
3. The shadow plans cost no more than what ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from reconciler.record.entries import Scored, ScoredClass
from reconciler.report.explanation import Table
from reconciler.report.summary import percent, usd


@dataclass(frozen=True, kw_only=True)
class ShadowClass:
    """A QoS class over all windows: requests, and the share that was late."""

    name: str
    promised_share: float
    requests: float
    shadow_share: float
    actual_share: float


@dataclass(frozen=True, kw_only=True)
class ShadowReport:
    """Shadow plans compared with what ran.

    Attributes:
        windows, demoted: scored windows, and those of plans with a fallback forecast.
        first, last: begin of the first window and end of the last one; None without any.
        hours: time that the windows cover together, as far as its demand is known.
        usd_shadow, usd_actual: cost in all windows.
        classes: in the order of the newest window.
        against: sentences that say why promotion is not justified; empty where it is.
    """

    windows: int
    demoted: int
    first: datetime | None
    last: datetime | None
    hours: float
    usd_shadow: float
    usd_actual: float
    classes: tuple[ShadowClass, ...]
    against: tuple[str, ...]

    @property
    def justified(self) -> bool:
        """Whether promotion is justified."""
        return not self.against

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        times = {name: at.isoformat() if at else None for name, at in (("first", self.first), ("last", self.last))}
        return {**asdict(self), **times, "justified": self.justified}


def shadow_report(entries: Sequence[Scored], *, least: timedelta) -> ShadowReport:
    """Sum scored windows, and judge them by the rule of this module.

    Args:
        entries: of the ledger.
        least: time that the windows must cover together.
    """
    known = [(e.end - e.start) * (e.known_steps / e.steps) for e in entries if e.steps]
    hours = sum(known, timedelta(0)) / timedelta(hours=1)
    shadow, actual = (sum(e.usd[k] for e in entries) for k in (0, 1))
    classes = tuple(_class(name, entries) for name in (entries[-1].classes if entries else ()))
    return ShadowReport(
        windows=len(entries),
        demoted=sum(e.demoted for e in entries),
        first=min((e.start for e in entries), default=None),
        last=max((e.end for e in entries), default=None),
        hours=hours,
        usd_shadow=shadow,
        usd_actual=actual,
        classes=classes,
        against=tuple(_against(hours, least, classes, shadow, actual)),
    )


def late_shares(line: ScoredClass) -> str:
    """Late requests of a class in a window: with the shadow plan, with what ran, and as promised."""
    shadow, actual = (late / line.requests if line.requests else 0.0 for late in (line.late_shadow, line.late_actual))
    return f"{percent(shadow)} shadow, {percent(actual)} actual (promise {percent(line.promised_share)})"


def shadow_tables(report: ShadowReport) -> list[Table]:
    """The report as tables."""
    saved = report.usd_actual - report.usd_shadow
    return [
        (
            "Late requests",
            ("class", "promise", "shadow", "actual", "requests"),
            [
                (
                    c.name,
                    percent(c.promised_share),
                    percent(c.shadow_share),
                    percent(c.actual_share),
                    f"{c.requests:,.0f}",
                )
                for c in report.classes
            ],
        ),
        (
            "Cost",
            ("windows", "hours", "shadow", "actual", "saved by the shadow plans"),
            [
                (
                    f"{report.windows} ({report.demoted} demoted)",
                    f"{report.hours:.1f}",
                    usd(report.usd_shadow),
                    usd(report.usd_actual),
                    usd(saved),
                )
            ],
        ),
    ]


def verdict(report: ShadowReport) -> str:
    """The sentence that ends the report."""
    if report.justified:
        return "Promotion is justified: promises kept, and the cost is no higher than that of what ran."
    return "Promotion is not justified: " + "; ".join(report.against) + "."


def _class(name: str, entries: Sequence[Scored]) -> ShadowClass:
    mine = [e.classes[name] for e in entries if name in e.classes]
    requests = sum(line.requests for line in mine)
    late = [sum(line.late_shadow for line in mine), sum(line.late_actual for line in mine)]
    shares = [one / requests if requests > 0 else 0.0 for one in late]
    return ShadowClass(
        name=name,
        promised_share=mine[-1].promised_share,
        requests=requests,
        shadow_share=shares[0],
        actual_share=shares[1],
    )


def _against(hours: float, least: timedelta, classes: Sequence[ShadowClass], shadow: float, actual: float) -> list[str]:
    found = []
    needed = least / timedelta(hours=1)
    if hours < needed:
        found.append(f"the scored windows cover {hours:.1f} hours, and {needed:g} are needed")
    found += [
        f"{c.name} would have {percent(c.shadow_share)} late requests, and {percent(c.promised_share)} are promised"
        for c in classes
        if c.shadow_share > c.promised_share
    ]
    if shadow > actual:
        found.append(f"the shadow plans cost {usd(shadow)}, and what ran cost {usd(actual)}")
    return found
