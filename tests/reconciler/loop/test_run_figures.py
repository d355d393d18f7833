"""The metrics of a real decision."""

from __future__ import annotations

from datetime import timedelta

from reconciler.adapters.project import Project
from reconciler.loop import Mode, RunOptions, reconcile_once
from reconciler.report.metrics import METRICS, figures_of, samples
from reconciler.report.service_state import ServiceState
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_feedback import model as model
from tests.reconciler.loop.test_loop_feedback import project as project


def test_a_decision_has_the_figures_of_its_plan_and_no_metric_that_is_not_listed(
    project: Project, model: Model
) -> None:
    for length in (WEEKS, WEEKS + 1):
        now = write_history(project.root, length)
        done = reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=now), progress=print)
    assert done.decision is not None
    later = now + timedelta(minutes=2)
    found = samples(ServiceState(began=now, limit=HOUR), figures_of(done.decision), later)
    listed = {metric.name: metric.labels for metric in METRICS}
    assert all(len(sample.labels) == len(listed[sample.name]) for sample in found)
    values = {(sample.name, *sample.labels): sample.value for sample in found}
    (warm,) = done.plan.tiers
    assert values["tiercast_instances_declared", "warm"] == warm.after
    assert values["tiercast_instances_observed", "warm"] == warm.before
    assert values["tiercast_cost_usd_per_hour", "declared"] == done.plan.usd_per_hour_after
    assert values["tiercast_forecast_age_seconds",] == 120
    assert values["tiercast_data_age_seconds",] == 120
    assert 0 < values["tiercast_error_budget_left_ratio", "gold"] <= 1
    assert values["tiercast_promised_late_ratio", "gold"] == 0.01
    assert values["tiercast_maintenance",] == 0
    assert values["tiercast_drift", "person"] >= 0
