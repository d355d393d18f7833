"""Pairs become groups of one class each; the demand section is the peak of the class while the plan is valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from forecaster.demand import LEVELS, DemandForecast, RequestCost
from forecaster.hierarchy.structure import structure_of
from forecaster.history.history import History
from reconciler.demand.classes import class_paths, section, services, window
from reconciler.demand.forecaster_settings import settings_of
from reconciler.demand.grouping import Grouping, group, nodes_apart, nodes_of
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet

START = datetime(2026, 1, 1, tzinfo=UTC)


def history(pairs: dict[tuple[str, str], float], length: int = 4) -> History:
    names = tuple(sorted(pairs))
    return History(
        step=timedelta(hours=1),
        start=START,
        length=length,
        pairs=names,
        offsets=np.arange(len(names) + 1) * length,
        position=np.tile(np.arange(length), len(names)),
        requests=np.repeat([pairs[name] for name in names], length),
        censored=np.zeros(len(names) * length, dtype=bool),
        zero_absent=np.ones(len(names), dtype=bool),
        unrecorded=np.zeros(length, dtype=bool),
    )


def fleet(rules: list[dict[str, Any]], **keys: Any) -> Fleet:
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"], **keys},
            "qos": {"gold": {"latency": "200ms", "tiers": ["cold"]}, "rest": {"latency": "2s"}},
            "applications": rules,
            "tiers": {"cold": {"instance_types": ["m"], "launch": {"image_id": "a", "zones": ["z"]}}},
        },
        "fleet.yaml",
    )


ALL = [{"match": "*", "user": "vip", "qos": "gold"}, {"match": "*", "qos": "rest"}]


def test_an_application_whose_users_are_of_several_classes_is_split() -> None:
    found = group(history({("vip", "shop"): 5, ("bob", "shop"): 3, ("bob", "blog"): 1}), fleet(ALL))
    assert dict(zip(found.names, found.qos, strict=True)) == {
        "blog": "rest",
        "shop@gold": "gold",
        "shop@rest": "rest",
    }
    assert [found.names[c] for c in found.codes] == ["blog", "shop@rest", "shop@gold"]


def test_the_long_tail_of_a_class_is_one_group_and_nothing_is_lost() -> None:
    pairs = {("bob", f"app-{n:02d}"): float(n + 1) for n in range(20)}
    past = history(pairs)
    found = group(past, fleet(ALL, series=3))
    assert found.names == ("app-17", "app-18", "app-19", "rest of rest")
    assert past.grouped(found.codes, 4).sum() == pytest.approx(sum(pairs.values()) * 4)


def test_an_application_of_two_classes_is_two_nodes_and_a_later_user_goes_to_the_node_of_its_class() -> None:
    pairs = [("vip", "shop"), ("bob", "shop"), ("bob", "blog")]
    node_of = nodes_of(fleet(ALL), pairs)
    assert [node_of(*pair) for pair in pairs] == [("shop@gold", "gold"), ("shop@rest", "rest"), ("blog", "rest")]
    assert node_of("eve", "shop") == ("shop@rest", "rest")
    assert node_of("eve", "blog") == ("blog", "rest")


def test_a_plan_and_a_trained_model_forecast_the_same_groups() -> None:
    pairs = {("bob", f"app-{n:02d}"): 0.01 * (n + 1) for n in range(40)} | {
        ("vip", f"app-{n:02d}"): 1 for n in range(20)
    }
    some, past = fleet(ALL, series=5), history(pairs)
    found = group(past, some)
    structure = structure_of(past, nodes_of(some, past.pairs), settings_of(some))
    assert structure.series == found.names
    assert found.codes.tolist() == structure.holder[structure.codes].tolist()
    assert {"rest of gold", "rest of rest"} <= set(found.names)
    assert len(found.names) == 7, "five forecast one by one and the rest of two classes"
    assert group(past, fleet(ALL, series=0)).names == ("rest of gold", "rest of rest")


def test_equal_volumes_are_told_apart_by_name() -> None:
    past = history({("bob", name): 1.0 for name in ("c", "a", "b")})
    assert group(past, fleet(ALL, series=2)).names == ("a", "b", "rest of rest")


def test_each_node_can_be_had_apart_for_sizing_by_node() -> None:
    past = history({("bob", "a"): 3.0, ("vip", "a"): 2.0, ("bob", "b"): 1.0})
    found = nodes_apart(past, fleet(ALL, series=1))
    assert dict(zip(found.names, found.qos, strict=True)) == {"a@gold": "gold", "a@rest": "rest", "b": "rest"}
    assert [found.names[k] for k in found.codes] == ["a@rest", "b", "a@gold"]


def test_a_pair_that_no_rule_fits_is_named() -> None:
    with pytest.raises(InputError, match="no rule matches user 'bob' and application 'blog'"):
        group(history({("bob", "blog"): 1}), fleet([{"match": "shop", "qos": "gold"}]))


def forecast(paths: np.ndarray, names: tuple[str, ...], **changes: Any) -> DemandForecast:
    return DemandForecast(
        cutoff=START,
        step=timedelta(hours=1),
        applications=names,
        levels=LEVELS,
        quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
        paths=paths,
        models=("m",) * len(names),
        reasons=("r",) * len(names),
        **changes,
    )


def test_the_window_holds_every_step_that_overlaps_it() -> None:
    ahead = forecast(np.ones((1, 1, 24)), ("a",))
    hour = timedelta(hours=1)
    assert window(ahead, START + hour, START + 2 * hour) == slice(0, 1)
    assert window(ahead, START + 1.5 * hour, START + 3.5 * hour) == slice(0, 3)
    assert window(ahead, START + 90 * hour, START + 99 * hour) == slice(23, 24)


def test_a_class_is_sized_for_the_largest_step_of_its_sum_path_by_path() -> None:
    rules = fleet(ALL).applications
    grouping = Grouping(
        names=("a", "b"),
        qos=("gold", "gold"),
        codes=np.array([0, 1]),
        rules=({rules[0]: 1.0}, {rules[0]: 1.0}),
    )
    # Two groups that trade places: their sum is 3,600 requests an hour in each step but one of 7,200.
    paths = np.array([[[3600.0, 0.0, 7200.0], [0.0, 3600.0, 0.0]]])
    ahead = forecast(paths, ("a", "b"))
    rates = class_paths(ahead, grouping, fleet(ALL), 0)
    found = section(fleet(ALL), rates, 3, services(grouping, fleet(ALL), {}))
    assert set(found.classes["gold"].requests_per_second) == {2.0}
    assert set(found.classes["rest"].requests_per_second) == {0.0}
    assert found.classes["gold"].latency_ms == 200
    assert [c.priority for c in found.classes.values()] == [0, 1]


def test_service_is_a_mixture_weighted_by_requests_and_learned_where_not_declared() -> None:
    some = fleet(
        [
            {"match": "fast", "qos": "gold", "service_time": "10ms", "scv": 0},
            {"match": "*", "qos": "gold", "concurrency_per_vcpu": 2},
        ]
    )
    grouping = Grouping(
        names=("fast", "slow"),
        qos=("gold", "gold"),
        codes=np.array([0, 1]),
        rules=({some.applications[0]: 3.0}, {some.applications[1]: 1.0}),
    )
    cost = RequestCost(vcpu_seconds=0.025, memory_mib=64, network_bytes=0, scv=0, source="measured")
    service = services(grouping, some, {"slow": cost})["gold"]
    assert service.mean_s == pytest.approx(0.75 * 0.010 + 0.25 * 0.050)
    assert service.scv == pytest.approx((0.75 * 100 + 0.25 * 2500) / 20**2 - 1)
    # Busy time is 7.5 ms at one slot a vCPU and 12.5 ms at two: 13.75 ms of vCPU for 20 ms of slot.
    assert service.concurrency_per_vcpu == pytest.approx(20 / 13.75, rel=1e-5)
    assert service.memory_mib == pytest.approx(64 * 12.5 / 20)


def test_network_bytes_are_declared_or_learned_and_reach_the_stack_s_demand() -> None:
    some = fleet([{"match": "video", "qos": "gold", "network_bytes": 3e6}, {"match": "*", "qos": "gold"}])
    grouping = Grouping(
        names=("video", "slow"),
        qos=("gold", "gold"),
        codes=np.array([0, 1]),
        rules=({some.applications[0]: 1.0}, {some.applications[1]: 1.0}),
    )
    costs = {
        name: RequestCost(vcpu_seconds=0.05, memory_mib=1, network_bytes=1e6, scv=0, source="measured")
        for name in ("video", "slow")
    }
    by_class = services(grouping, some, costs)
    assert by_class["gold"].network_bytes == pytest.approx(2e6)
    stated = section(some, np.ones((3, 2, 1)), 1, by_class).classes["gold"].service
    assert stated.network_bytes == 2e6
