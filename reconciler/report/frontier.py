"""Cost against violations as one self-contained HTML page. Plotly's script is included, so nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True)
class Point:
    """A replay with the promised shares times `factor`: its cost and that of foresight in USD, and class → obtained share."""

    factor: float
    usd: float
    usd_foresight: float
    obtained_share: dict[str, float]


def frontier_html(points: Sequence[Point], title: str) -> str:
    """The page: obtained share over cost, one line per class. Each point is labelled with its factor."""
    figure = go.Figure()
    ordered = sorted(points, key=lambda p: p.usd)
    for name in ordered[0].obtained_share if ordered else ():
        figure.add_scatter(
            x=[p.usd for p in ordered],
            y=[100 * p.obtained_share[name] for p in ordered],
            mode="lines+markers+text",
            name=name,
            text=[f"× {p.factor:g}" for p in ordered],
            textposition="top center",
            customdata=[p.usd_foresight for p in ordered],
            hovertemplate="%{y:.3f} % late at %{x:.2f} USD (foresight: %{customdata:.2f} USD)",
        )
    figure.update_layout(
        title=title,
        xaxis_title="cost of the period, USD",
        yaxis_title="late requests (obtained share), %",
        template="plotly_white",
        legend_title="class",
    )
    return str(figure.to_html(include_plotlyjs=True, full_html=True, div_id="frontier"))
