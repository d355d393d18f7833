"""An explanation as tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.explain.explain import Explanation, Marginal

#: A table: title, headings, rows of text.
Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def tables(explanation: Explanation) -> list[Table]:
    """The explanation as tables, in reading order. A table without rows has nothing to report."""
    return [
        _tiers(explanation),
        _classes(explanation),
        _marginals(explanation),
        _standing(explanation),
        _floor(explanation),
        ("Binding guards", ("guard",), [(text,) for text in explanation.guards]),
        ("Since the last plan", ("change",), [(text,) for text in explanation.changes]),
        ("Unmet constraints", ("constraint",), [(text,) for text in explanation.problems]),
    ]


def _tiers(explanation: Explanation) -> Table:
    rows: list[tuple[str, ...]] = [
        (t.tier.value, f"{t.before} → {t.after}", f"{t.usd_before:.3f} → {t.usd_after:.3f}", t.reason)
        for t in explanation.tiers
    ]
    return "Tiers", ("tier", "count", "USD/h", "binding constraint"), rows


def _classes(explanation: Explanation) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            c.name,
            f"{c.latency_ms:.0f} / {c.target_ms:.0f} ms at p{100 * c.percentile:g}",
            f"{_percent(c.expected_share)} / {_percent(c.allowed_share)} / {_percent(c.promised_share)}",
            _percent(c.shortfall_probability),
            f"{c.quantile:.4f}",
            f"{c.multiplier_usd:.4g}",
            ", ".join(f"{t.value} {v:.4g}" for t, v in c.served.items() if v > 0) or "none",
        )
        for c in explanation.classes
    ]
    return (
        "QoS classes",
        (
            "class",
            "latency",
            "late: expected / allowed / promise",
            "chance demand > capacity",
            "quantile",
            "λ USD/h per rps",
            "served, requests/s",
        ),
        rows,
    )


def _marginals(explanation: Explanation) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            m.option,
            str(m.count),
            "–" if m.usd_more is None else f"{m.usd_more:+.4f}",
            _moved(m, m.share_more),
            "–" if m.usd_less is None else f"{m.usd_less:+.4f}",
            _moved(m, m.share_less),
        )
        for m in explanation.marginals
    ]
    return (
        "One instance more or less",
        ("option", "count", "+1 USD/h", "then late", "-1 USD/h", "then late"),
        rows,
    )


def _standing(explanation: Explanation) -> Table:
    rows: list[tuple[str, ...]] = [
        (s.group, s.rung.label, str(s.scored), s.reason or "its forecasts pass their checks.")
        for s in explanation.standing
    ]
    return "Forecast in use", ("group", "forecast", "steps scored", "why"), rows


def _floor(explanation: Explanation) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            f.name,
            f.option,
            f"{f.measured_rps:.4g}",
            f"{f.counted_rps:.4g}",
            "not measured" if f.latency_ms is None else f"{f.latency_ms:.4g} ms",
        )
        for f in explanation.floor
    ]
    return (
        "Binding safety floor",
        ("class", "one instance less of", "requests/s now", "counted as", "latency now"),
        rows,
    )


def _moved(marginal: Marginal, shares: Mapping[str, float] | None) -> str:
    name = marginal.tightest
    if shares is None or not name:
        return "–"
    return f"{name} {_percent(marginal.share_now[name])} → {_percent(shares[name])}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
