"""Every option is decided ahead by its own boot time: the 95th percentile leads, the mean is what a start is billed."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from reconciler.plan.problem import problem_of
from reconciler.prices.catalogue import builtin, parse_catalogue
from reconciler.sizing import size
from stacks.contract import Tier
from tests.reconciler.plan.test_planning import make_snapshot
from tests.reconciler.sizing.sizing_cases import option, problem


def test_each_type_leads_by_its_own_95th_percentile_and_is_billed_by_its_own_mean() -> None:
    raw = copy.deepcopy(builtin().model_dump(mode="json"))
    raw["types"]["m5.large"]["boot"] = {"mean_seconds": 600, "p95_seconds": 9000}
    snapshot = replace(make_snapshot(20.0, running=1), catalogue=parse_catalogue(raw, "prices.yaml"))
    asked = problem_of(snapshot)
    warm, cold = (next(o for o in asked.options if o.tier is tier) for tier in (Tier.WARM, Tier.COLD))
    assert (asked.lead(warm), warm.boot_mean_seconds) == (2, 600)  # 2.5 steps of an hour, half a step counts as none
    assert (asked.lead(cold), cold.boot_mean_seconds) == (0, builtin().default_boot.mean_seconds)


def test_a_long_tail_of_boots_starts_capacity_earlier_than_its_mean_would() -> None:
    # Demand doubles in the fourth step; the window is the first alone.
    rates = np.array([20.0, 20.0, 20.0, 80.0])
    paths = np.repeat(rates[None, None, :], 50, axis=0)
    counts = {}
    for name, p95 in (("steady", 120.0), ("long tail", 900.0)):
        kind = option(Tier.WARM, observed=1, boot_mean_seconds=100, boot_seconds=p95)
        counts[name] = size(problem({"gold": 20.0}, [kind], horizon=4, paths=paths)).of(Tier.WARM)
    assert counts["long tail"] > counts["steady"]


def test_what_is_decided_now_knows_no_path_s_own_future() -> None:
    # Half of the paths grow; one count is decided for all of them, and the same whatever order they are in.
    low, high = np.full((25, 1, 4), 20.0), np.full((25, 1, 4), 20.0)
    high[:, :, 3] = 80.0
    kind = option(Tier.WARM, observed=1, boot_seconds=900)
    ordered = problem({"gold": 20.0}, [kind], horizon=4, paths=np.concatenate([low, high]))
    turned = problem({"gold": 20.0}, [kind], horizon=4, paths=np.concatenate([high, low]))
    assert size(ordered).counts == size(turned).counts
