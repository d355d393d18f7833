"""The metrics of a service: their names and meaning, and their values. Pure; docs/metrics.md lists them.

Ages are of the moment of the scrape. A figure that is not known has no sample; it is never 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reconciler.observe.drift import DriftKind
from reconciler.observe.world import Tally
from reconciler.plan.decide import Decision
from reconciler.plan.noted import decided
from reconciler.record.entries import Decided
from reconciler.report.service_state import OUTCOMES, ServiceState, health
from stacks.contract import Pins


@dataclass(frozen=True, kw_only=True)
class MetricFamily:
    """A metric: name, kind, meaning (with the unit) and labels."""

    name: str
    text: str
    kind: Literal["gauge", "counter"] = "gauge"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetricSample:
    """A value of a metric, with the values of its labels in their order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


METRICS = (
    MetricFamily(name="tiercast_healthy", text="1 if /healthz answers 200, else 0."),
    MetricFamily(
        name="tiercast_runs_total",
        kind="counter",
        labels=("outcome",),
        text="Runs by outcome: done, changes (they wait for an approval), refused (by a policy), busy (another run held the "
        "lock), failed.",
    ),
    MetricFamily(
        name="tiercast_run_errors_total",
        kind="counter",
        labels=("error",),
        text="Failed runs by the class of their error.",
    ),
    MetricFamily(
        name="tiercast_last_run_error",
        labels=("error",),
        text="1 for the class of the error of the last run, if it had one.",
    ),
    MetricFamily(
        name="tiercast_missed_runs_total", kind="counter", text="Due times that were skipped because a run was busy."
    ),
    MetricFamily(name="tiercast_last_run_duration_seconds", text="How long the last run took."),
    MetricFamily(name="tiercast_last_run_timestamp_seconds", text="Unix time at which the last run ended."),
    MetricFamily(
        name="tiercast_last_success_timestamp_seconds",
        text="Unix time at which the last run ended as done or changes.",
    ),
    MetricFamily(name="tiercast_forecast_age_seconds", text="Time since the forecast of the newest plan was made."),
    MetricFamily(
        name="tiercast_data_age_seconds", text="Time since the end of the newest data that the newest plan knew."
    ),
    MetricFamily(
        name="tiercast_demoted",
        text="1 if the newest plan uses a fallback forecast or stale data, so that nothing is scaled down.",
    ),
    MetricFamily(
        name="tiercast_maintenance", text="1 if a maintenance window held the newest plan, so that nothing was applied."
    ),
    MetricFamily(
        name="tiercast_instances_wanted", labels=("tier",), text="Instances that the sizing wants, before the guards."
    ),
    MetricFamily(
        name="tiercast_instances_declared",
        labels=("tier",),
        text="Instances that the newest plan declares, after the guards.",
    ),
    MetricFamily(
        name="tiercast_instances_observed", labels=("tier",), text="Instances that the newest plan started from."
    ),
    MetricFamily(
        name="tiercast_instances_running",
        labels=("tier",),
        text="Instances that hypervisors and cloud said to run when the newest plan was made.",
    ),
    MetricFamily(
        name="tiercast_instances_ready",
        labels=("tier",),
        text="Instances of them that served: by their health check or target group, where there is one.",
    ),
    MetricFamily(
        name="tiercast_instances_unknown",
        labels=("tier",),
        text="Instances of which it could not be read whether they run and serve.",
    ),
    MetricFamily(
        name="tiercast_drift",
        labels=("kind",),
        text="Differences between the recorded and the real resources by kind: person, autoscaler, lost, noise, half-created.",
    ),
    MetricFamily(
        name="tiercast_pinned_instances",
        labels=("tier",),
        text="Number at which a person has pinned the tier, if at all.",
    ),
    MetricFamily(name="tiercast_frozen", text="1 if a person has frozen the sizes."),
    MetricFamily(
        name="tiercast_cost_usd_per_hour",
        labels=("sizes",),
        text="Cost in USD/hour of the observed and of the declared sizes.",
    ),
    MetricFamily(
        name="tiercast_error_budget_left_ratio",
        labels=("qos_class",),
        text="Share of a QoS class's error budget that is left: 1 untouched, 0 spent, negative overspent.",
    ),
    MetricFamily(
        name="tiercast_expected_late_ratio",
        labels=("qos_class",),
        text="Share of a QoS class's requests that the newest plan expects to be late.",
    ),
    MetricFamily(
        name="tiercast_promised_late_ratio",
        labels=("qos_class",),
        text="Share of a QoS class's requests that may be late: its promise.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """What a run knew and decided.

    Attributes:
        entry: its decision, as the ledger has it.
        budgets_left: QoS class → share of its error budget that is left.
        data_end: end of the newest data.
        maintenance: a maintenance window held the plan.
        tallies: tier → what runs and is ready.
        pins: sizes that a person has set.
        drift: kind → number of differences; None if nothing was read.
    """

    entry: Decided
    data_end: datetime
    budgets_left: Mapping[str, float] = field(default_factory=dict)
    maintenance: bool = False
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    pins: Pins = field(default_factory=Pins)
    drift: Mapping[DriftKind, int] | None = None


def figures_of(decision: Decision, *, maintenance: bool = False) -> RunFigures:
    """The figures of a decision."""
    snapshot = decision.snapshot
    return RunFigures(
        entry=decided(decision, event="plan", seed=0, inputs=None),
        data_end=snapshot.forecast.cutoff + snapshot.fleet.step,
        budgets_left={n: 1 - b.spent / b.total for n, b in snapshot.error_budgets.items() if b.total > 0},
        maintenance=maintenance,
        tallies={t.value: snapshot.world.tally(t) for t in snapshot.fleet.declared} if snapshot.world else {},
        pins=snapshot.pins,
        drift=Counter(one.kind for one in snapshot.drift) if snapshot.world else None,
    )


def samples(state: ServiceState, figures: RunFigures | None, now: datetime) -> tuple[MetricSample, ...]:
    """All samples at `now`; before the first decision only those of the runs."""
    found = [
        MetricSample(name="tiercast_healthy", value=float(health(state, now)[0])),
        *(
            MetricSample(name="tiercast_runs_total", value=state.ended.get(outcome, 0), labels=(outcome,))
            for outcome in OUTCOMES
        ),
        *(
            MetricSample(name="tiercast_run_errors_total", value=count, labels=(kind,))
            for kind, count in sorted(state.errors.items())
        ),
        MetricSample(name="tiercast_missed_runs_total", value=state.missed),
    ]
    if state.last_error:
        found.append(MetricSample(name="tiercast_last_run_error", value=1, labels=(state.last_error,)))
    if state.last_seconds is not None:
        found.append(MetricSample(name="tiercast_last_run_duration_seconds", value=state.last_seconds))
    for name, at in (("run", state.last_end), ("success", state.last_success)):
        if at is not None:
            found.append(MetricSample(name=f"tiercast_last_{name}_timestamp_seconds", value=at.timestamp()))
    return (*found, *(_decided(figures, now) if figures is not None else ()))


def _decided(figures: RunFigures, now: datetime) -> Iterable[MetricSample]:
    entry = figures.entry
    yield MetricSample(name="tiercast_forecast_age_seconds", value=(now - entry.at).total_seconds())
    yield MetricSample(name="tiercast_data_age_seconds", value=(now - figures.data_end).total_seconds())
    yield MetricSample(name="tiercast_demoted", value=float(entry.demoted))
    yield MetricSample(name="tiercast_maintenance", value=float(figures.maintenance))
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for name, option in entry.options.items():
        tier = name.partition("/")[0]
        sizes["wanted", tier] += option.wanted
        sizes["declared", tier] += option.planned
        sizes["observed", tier] += option.observed
    for (which, tier), count in sorted(sizes.items()):
        yield MetricSample(name=f"tiercast_instances_{which}", value=count, labels=(tier,))
    for tier, tally in sorted(figures.tallies.items()):
        for which, number in (("running", tally.running), ("ready", tally.ready), ("unknown", tally.unknown)):
            if number is not None:
                yield MetricSample(name=f"tiercast_instances_{which}", value=number, labels=(tier,))
    for kind in DriftKind if figures.drift is not None else ():
        yield MetricSample(name="tiercast_drift", value=(figures.drift or {}).get(kind, 0), labels=(kind.value,))
    for pinned, pin in figures.pins.tiers.items():
        yield MetricSample(name="tiercast_pinned_instances", value=pin.count, labels=(pinned.value,))
    yield MetricSample(name="tiercast_frozen", value=float(figures.pins.freeze is not None))
    if entry.usd_per_hour is not None:
        for which, usd in zip(("observed", "declared"), entry.usd_per_hour, strict=True):
            yield MetricSample(name="tiercast_cost_usd_per_hour", value=usd, labels=(which,))
    for name, left in figures.budgets_left.items():
        yield MetricSample(name="tiercast_error_budget_left_ratio", value=left, labels=(name,))
    for name, line in entry.classes.items():
        yield MetricSample(name="tiercast_expected_late_ratio", value=line.expected_share, labels=(name,))
        yield MetricSample(name="tiercast_promised_late_ratio", value=line.promised_share, labels=(name,))
