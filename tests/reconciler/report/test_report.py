"""The report: one summary, four formats, held by golden files; a comment never outgrows what hosts accept."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.observe.preview import PolicyViolation, Preview, PreviewStep
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import DeclaredTier, World
from reconciler.plan.file import ClassLine, PlanFile, TierLine
from reconciler.report.html import html
from reconciler.report.markdown import LIMIT, markdown
from reconciler.report.status import status_json
from reconciler.report.summary import Summary, class_cells, percent, usd
from reconciler.report.text import plain, terminal
from stacks.contract import Tier

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def summary(*, refused: bool = False, steps: int = 2) -> Summary:
    plan = PlanFile(
        fleet="shop",
        stack="prod",
        created_at=NOW,
        valid_until=NOW + timedelta(hours=1),
        cutoff=NOW - timedelta(hours=1),
        tiers=(
            TierLine(
                tier="hot",
                kinds={"standard": 4},
                before=3,
                after=4,
                usd_before=0,
                usd_after=0,
                reason="gold's p99 ≤ 200 ms holds up to 31 requests/s on 3 VMs; its 0.995 quantile is 38",
            ),
            TierLine(
                tier="cold",
                kinds={"m7i.large": 2, "c7i.large": 0},
                before=5,
                after=2,
                usd_before=0.31,
                usd_after=0.1249,
                reason="one instance more would cost more than what it serves | is worth",
            ),
        ),
        classes=(
            ClassLine(
                name="gold",
                latency_target_ms=200,
                percentile=0.99,
                latency_ms=143.2,
                promised_share=0.01,
                allowed_share=0.001,
                expected_share=0.0002,
                shortfall_probability=0.0004,
                requests_per_second={"0.5": 21.25, "0.95": 33.0, "0.99": 38.0},
                served_by={"hot": 41.0, "warm": 10.5},
            ),
            ClassLine(
                name="bronze",
                latency_target_ms=2000,
                percentile=0.95,
                latency_ms=None,
                promised_share=0.05,
                allowed_share=0.05,
                expected_share=1.0,
                shortfall_probability=1.0,
                requests_per_second={"0.5": 1.0},
            ),
        ),
        usd_per_hour_before=0.31,
        usd_per_hour_after=0.1249,
        reasons=("prices are 12 days old",),
        config={},
    ).identified()
    made = [
        PreviewStep(urn=f"urn::p::t::hot-rack1-{n:03d}", op="create", type="libvirt:index/domain:Domain")
        for n in range(steps - 1)
    ]
    made.append(
        PreviewStep(
            urn="urn::p::t::cold-a", op="update", type="aws:autoscaling/group:Group", keys=("maxSize", "minSize")
        )
    )
    violations = [PolicyViolation(policy="spot-share", level="advisory", message="spot is 80 % of the cold tier")]
    if refused:
        violations.append(
            PolicyViolation(policy="cost-ceiling", level="mandatory", message="$31.00 per hour is over $20.00")
        )
    return Summary(plan=plan, preview=Preview(steps=tuple(made), violations=tuple(violations)))


@pytest.mark.parametrize("shape", ["md", "txt", "html", "json"])
def test_the_report_reads_as_its_golden_file(shape: str) -> None:
    found = summary(refused=True)
    text = {
        "md": lambda: markdown(found, project="tiercast", artefact="preview.html"),
        "txt": lambda: plain(terminal(found)),
        "html": lambda: html(found, project="tiercast"),
        "json": lambda: json.dumps(found.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
    }[shape]()
    path = GOLDEN / f"preview.{shape}"
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_exit_codes_say_nothing_changes_or_refused() -> None:
    quiet = Summary(plan=summary().plan, preview=Preview(steps=(), violations=()))
    assert (quiet.exit_code, summary().exit_code, summary(refused=True).exit_code) == (0, 2, 3)


@pytest.mark.parametrize("steps", [2, 500, 5_000])
def test_a_comment_fits_and_points_to_the_artefact_where_it_was_cut(steps: int) -> None:
    text = markdown(summary(steps=steps), project="tiercast", artefact="preview.html")
    assert len(text) <= LIMIT
    assert text.startswith("<!-- tiercast:tiercast/prod -->")
    assert ("more steps are not shown" in text and "preview.html" in text) == (steps == 5_000)


def test_figures_are_never_a_false_zero() -> None:
    assert [percent(v) for v in (0, 0.0004, 0.012, 1)] == ["0 %", "0.04 %", "1.2 %", "100.0 %"]
    assert [usd(v) for v in (0, 0.0021, 1234.5)] == ["$0.00", "$0.0021", "$1,234.50"]


def test_names_are_escaped_in_html_and_tables() -> None:
    found = summary()
    evil = found.plan.model_copy(update={"reasons": ("<script>alert(1)</script>",)})
    assert "<script>" not in html(Summary(plan=evil, preview=found.preview), project="p")
    assert "serves \\| is worth" in markdown(found, project="p", artefact="a")


def test_promise_allowance_and_expectation_are_shown_and_kept_under_their_own_names() -> None:
    plan = summary().plan
    late, chance = class_cells(plan.classes[0])[3:5]
    assert late == "0.02 % expected of 0.1 % allowed in this window (promise 1.0 %)"
    nothing = DeclaredTier(low=0, count=0, high=0)
    world = World(declared=dict.fromkeys(Tier, nothing), recorded=Observed())
    assert chance == "0.04 %"  # of a shortfall: in a column of its own, beside no share of requests
    assert status_json(plan, world)["classes"]["gold"] == {
        "promised_share": 0.01,
        "allowed_share": 0.001,
        "expected_share": 0.0002,
        "shortfall_probability": 0.0004,
    }
