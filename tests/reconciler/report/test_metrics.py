"""The list of metrics: docs/metrics.md has each of them, and names follow Prometheus's rules."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.report.metrics import METRICS

ROOT = Path(__file__).parents[3]


def test_the_page_lists_every_metric_as_it_is_served() -> None:
    rows = re.findall(r"^\| `(.*)$", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]
    served = [[f"{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.text] for m in METRICS]
    assert found == served


def test_names_follow_the_rules_of_the_format() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"tiercast_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.text.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)
