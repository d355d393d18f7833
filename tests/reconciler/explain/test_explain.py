"""An explanation is computed by what decided, and says what changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli.explain import command as explain_command
from reconciler.cli.plan import command as plan_command
from reconciler.explain.changes import basis_of, changes
from reconciler.explain.explain import binding_floor, explain
from reconciler.plan.decide import decide
from reconciler.plan.file import parse_plan
from reconciler.plan.problem import problem_of
from reconciler.report.explanation import tables
from reconciler.sizing import SizingProblem, size
from reconciler.trust.demotion import Rung
from reconciler.trust.feedback import Standing
from stacks.contract import Tier
from tests.reconciler.cli.test_bad_input import prices
from tests.reconciler.plan.test_planning import make_snapshot
from tests.reconciler.sizing.sizing_cases import lognormal_paths, option, problem


def asked(rate: float = 100.0) -> SizingProblem:
    return problem(
        {"gold": rate, "bronze": rate / 2},
        [option(Tier.HOT, maximum=2), option(Tier.WARM), option(Tier.COLD)],
        paths=lognormal_paths([rate, rate / 2]),
    )


def test_every_tier_and_class_is_explained() -> None:
    question = asked()
    told = explain(question, size(question))
    assert [t.tier for t in told.tiers] == list(Tier)
    assert all(t.reason.endswith(".") for t in told.tiers)
    assert [c.name for c in told.classes] == ["gold", "bronze"]
    assert all(0 < c.quantile < 1 for c in told.classes)


def test_one_less_costs_less_and_violates_more() -> None:
    question = asked()
    answer = size(question, gap=1e-6)
    line = next(m for m in explain(question, answer).marginals if m.option == "cold/m")
    assert line.usd_less == pytest.approx(-0.04)
    assert line.usd_more == pytest.approx(0.04)
    assert line.share_less is not None
    assert line.share_less[line.tightest] > line.share_now[line.tightest]


def test_a_marginal_that_is_not_possible_is_left_open() -> None:
    question = asked()
    told = explain(question, size(question))
    hot = next(m for m in told.marginals if m.option == "hot/m")
    assert hot.usd_more is None
    assert hot.usd_less == 0.0


def test_what_changed_since_the_last_plan_is_named() -> None:
    first = asked(100.0)
    before = basis_of(first, size(first))
    second = asked(150.0)
    second = replace(
        second,
        options=tuple(replace(o, usd_per_hour=0.05) if o.tier is Tier.COLD else o for o in second.options),
    )
    text = " ".join(changes(before, basis_of(second, size(second))))
    assert "Demand of gold at the 0.5 quantile" in text
    assert "+50 %" in text
    assert "Price of cold/m: 0.04 → 0.05 USD/h (+25.0 %)" in text
    assert "instances" in text
    assert changes(before, before) == ("Nothing changed since the last plan.",)


def test_the_floor_is_shown_where_one_less_would_go_below_it() -> None:
    load = {"gold": 100.0}
    question = replace(problem({"gold": 10.0}, [option(Tier.WARM)]), load_now=load)
    answer = size(question)
    counts = {c.option: c.after for c in answer.counts}
    (line,) = binding_floor(question, counts, {"gold": 80.0}, {"gold": 400.0})
    assert (line.name, line.option, line.measured_rps, line.counted_rps) == ("gold", "warm/m", 80.0, 100.0)
    assert binding_floor(question, {"warm/m": counts["warm/m"] + 1}, load, {}) == ()


def test_tables_have_as_many_cells_as_headings() -> None:
    question = asked()
    for _, heading, rows in tables(explain(question, size(question))):
        assert all(len(row) == len(heading) for row in rows)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose demand is the small question's; reading and forecasting have their own tests."""
    (tmp_path / "Pulumi.yaml").write_text("name: tiercast\nruntime: python\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    trust = Standing(group="gold", rung=Rung.SEASONAL_NAIVE, reason="the model forecast failed: it misses.", scored=77)
    known = replace(make_snapshot(20.0, running=2), standing=(trust,), load_now={})
    for module in ("explain", "plan"):
        monkeypatch.setattr(f"reconciler.cli.{module}.take_snapshot", lambda *a, **k: known)
        monkeypatch.setattr(f"reconciler.cli.{module}.problem_of", lambda snapshot: asked())
    return tmp_path


def test_the_command_shows_every_table_and_writes_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    shown = CliRunner().invoke(explain_command, [])
    assert shown.exit_code == 0, shown.output
    for text in (
        "seasonal naive",
        "77",
        "it misses",
        "binding constraint",
        "One instance more or less",
        "This is the first plan",
        "proven lower bound",
    ):
        assert text in shown.output
    data = json.loads(CliRunner().invoke(explain_command, ["--json"]).output)
    assert [t["tier"] for t in data["tiers"]] == ["hot", "warm", "cold"]
    assert [s["rung"] for s in data["standing"]] == ["seasonal naive"]
    assert sorted(project.rglob("*")) == before


def test_the_plan_command_answers_what_if_without_writing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    shown = CliRunner().invoke(plan_command, ["--what-if", "demand=2", "--what-if", "price.warm=3"])
    assert shown.exit_code == 0, shown.output
    assert "demand=2" in shown.output
    data = json.loads(CliRunner().invoke(plan_command, ["--what-if", "demand=2", "--json"]).output)
    assert [row["scenario"] for row in data] == ["as planned", "demand=2"]
    assert data[1]["usd_difference"] > 0
    assert sorted(project.rglob("*")) == before


def test_the_command_names_the_price_that_changed_since_the_plan_on_disk(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = make_snapshot(20.0, running=2)
    plan = decide(planned).plan
    kept = project / ".tiercast" / "dev" / "plan.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(plan.model_dump(mode="json")), encoding="utf-8")
    now = replace(planned, catalogue=prices(m5_large={"on_demand": 0.12, "spot": 0.04}))
    monkeypatch.setattr("reconciler.cli.explain.take_snapshot", lambda *a, **k: now)
    monkeypatch.setattr("reconciler.cli.explain.problem_of", problem_of)
    shown = CliRunner().invoke(explain_command, ["--json"])
    assert shown.exit_code == 0, shown.output
    assert "Price of warm/m5.large: 0.096 → 0.12 USD/h (+25.0 %)." in json.loads(shown.stdout)["changes"]


def test_the_commands_show_what_the_guards_leave_as_the_plan_has_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = make_snapshot(20.0, running=30, step_limit=3)
    planned = next(t for t in decide(snapshot).plan.tiers if t.tier == "warm")
    for module in ("explain", "plan"):
        monkeypatch.setattr(f"reconciler.cli.{module}.take_snapshot", lambda *a, **k: snapshot)
        monkeypatch.setattr(f"reconciler.cli.{module}.problem_of", problem_of)
    told = json.loads(CliRunner().invoke(explain_command, ["--json"]).stdout)
    warm = next(t for t in told["tiers"] if t["tier"] == "warm")
    assert warm["after"] == planned.after == 27
    assert warm["reason"] == planned.reason
    assert "step limit" in warm["reason"]
    assert "[step limit]" in told["guards"][-1]
    rows = json.loads(CliRunner().invoke(plan_command, ["--what-if", "demand=0.5", "--json"]).stdout)
    assert [row["counts"]["warm"] for row in rows] == [27, 27]
    assert "[step limit]" in rows[1]["guards"][-1]
    assert "step limit" in CliRunner().invoke(explain_command, []).output


def test_a_plan_of_before_prices_were_kept_is_still_read() -> None:
    raw = (
        decide(make_snapshot(20.0, running=2))
        .plan.model_copy(update={"prices": {}})
        .identified()
        .model_dump(mode="json")
    )
    del raw["prices"]
    assert parse_plan(raw, "plan.json").prices == {}
