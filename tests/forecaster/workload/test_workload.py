"""Workload: the most specific measured knowledge wins, is named, and falls back in a stated order."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecaster.workload.costs import costs_from_utilisation, learn_workload, numeric_parameters


def measured(application: str, program: str, cpu: list[float], **more: object) -> pd.DataFrame:
    """Events with their vCPU-seconds."""
    return pd.DataFrame({"application_id": application, "program": program, "cpu_seconds": cpu, **more})


def test_costs_fall_back_from_program_to_application_to_pool() -> None:
    events = pd.concat(
        [measured("a", "render", [2.0] * 20), measured("a", "resize", [0.1] * 20), measured("b", "resize", [0.2] * 3)]
    )
    model = learn_workload(events)
    assert model is not None
    own = model.cost("a", "render")
    assert own is not None
    assert (own.vcpu_seconds, own.source) == (2.0, "program")
    elsewhere = model.cost("c", "resize")
    assert elsewhere is not None
    assert elsewhere.source == "program"
    assert elsewhere.vcpu_seconds == pytest.approx((20 * 0.1 + 3 * 0.2) / 23)
    other = model.cost("a", "unheard of")
    assert other is not None
    assert (other.source, other.vcpu_seconds) == ("application", pytest.approx(1.05))
    nowhere = model.cost("c", "unheard of")
    assert nowhere is not None
    assert nowhere.source == "pool"


def test_an_application_costs_the_mean_over_what_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    events = pd.concat([measured("a", "p", list(rng.exponential(1.0, 3000))), measured("a", "q", [4.0] * 1000)])
    cost = learn_workload(events).costs(["a", "b"])["a"]  # type: ignore[union-attr]
    assert cost.source == "measured"
    assert cost.vcpu_seconds == pytest.approx(0.75 + 1.0, rel=0.05)
    every = np.concatenate((rng.exponential(1.0, 3000), np.full(1000, 4.0)))
    assert cost.scv == pytest.approx(every.var() / every.mean() ** 2, rel=0.15)


def test_a_cost_that_follows_a_parameter_is_predicted_from_it() -> None:
    rng = np.random.default_rng(1)
    size = rng.uniform(1, 100, 300)
    texts = [json.dumps({"size": float(s), "colour": "red"}) for s in size]
    events = measured("a", "p", list(0.5 + 0.03 * size + rng.normal(0, 0.05, 300)), parameters=texts)
    model = learn_workload(events)
    assert model is not None
    large = model.cost("a", "p", '{"size": 200}')
    assert large is not None
    assert large.vcpu_seconds == pytest.approx(6.5, rel=0.05)
    plain = model.cost("a", "p")
    assert plain is not None
    assert plain.vcpu_seconds == pytest.approx(0.5 + 0.03 * size.mean(), rel=0.05)


def test_parameters_that_are_no_json_are_ignored_and_counted() -> None:
    events = measured("a", "p", [1.0] * 50, parameters=["--size 3"] * 20 + ["[1, 2]"] * 5 + ['{"size": 3}'] * 25)
    model = learn_workload(events)
    assert model is not None
    assert model.unreadable == 25
    cost = model.cost("a", "p", "not json")
    assert cost is not None
    assert cost.vcpu_seconds == pytest.approx(1.0)
    assert numeric_parameters('{"a": 1, "b": "x", "c": true, "d": NaN}') == {"a": 1.0, "c": 1.0}


def test_nothing_measured_is_no_workload_model() -> None:
    assert learn_workload(pd.DataFrame()) is None
    assert learn_workload(pd.DataFrame({"application_id": ["a"], "program": ["p"]})) is None
    assert learn_workload(measured("a", "p", [np.nan, np.nan])) is None


def test_memory_is_in_mib_and_network_in_bytes() -> None:
    events = measured("a", "p", [1.0] * 9, memory_bytes=512 * 1024.0**2, network_bytes=2e4)
    cost = learn_workload(events).costs(["a"])["a"]  # type: ignore[union-attr]
    assert (cost.memory_mib, cost.network_bytes) == (512.0, 2e4)


def test_costs_are_found_from_utilisation_alone() -> None:
    rng = np.random.default_rng(2)
    requests = rng.poisson([[600], [200]], size=(2, 400)).astype(float) * rng.uniform(0.3, 1.7, size=(2, 400))
    seconds = np.array([0.2, 1.5])
    vcpus = 3.0 + (seconds @ requests) / 300 + rng.normal(0, 0.02, 400)
    memory = 900.0 + ((seconds * np.array([64.0, 256.0])) @ requests) / 300
    network = np.array([1e4, 5e3]) @ requests
    costs = costs_from_utilisation(
        requests, ["a", "b"], step_seconds=300, vcpus=vcpus, memory_mib=memory, network_bytes=network
    )
    assert costs["a"].source == "utilisation"
    assert [costs[n].vcpu_seconds for n in "ab"] == pytest.approx([0.2, 1.5], rel=0.1)
    assert [costs[n].memory_mib for n in "ab"] == pytest.approx([64, 256], rel=0.15)
    assert [costs[n].network_bytes for n in "ab"] == pytest.approx([1e4, 5e3], rel=0.01)


def test_too_little_utilisation_says_nothing() -> None:
    assert costs_from_utilisation(np.ones((2, 3)), ["a", "b"], step_seconds=300, vcpus=np.ones(3)) == {}
