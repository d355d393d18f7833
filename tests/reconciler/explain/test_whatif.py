"""What-if plans are full sizings of a changed question, side by side."""

from __future__ import annotations

import pytest

from reconciler.errors import UsageError
from reconciler.explain.whatif import parse, table, what_if
from reconciler.sizing import OwnHost, SizingProblem
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import lognormal_paths, option, problem


def asked() -> SizingProblem:
    return problem(
        {"gold": 150.0},
        [
            option(Tier.HOT),
            option(Tier.WARM),
            option(Tier.COLD, spot=True, on_demand_usd_per_hour=0.12),
        ],
        paths=lognormal_paths([150.0]),
        hosts=tuple(OwnHost(name=f"hv{i}", tier=Tier.HOT, cores=4, memory_mib=32768) for i in range(2)),
    )


def by_name(*scenarios: str) -> dict[str, tuple[dict[Tier, int], float]]:
    return {o.scenario: (dict(o.counts), o.usd_per_hour) for o in what_if(asked(), scenarios)}


def test_more_demand_and_dearer_spot_cost_more() -> None:
    found = by_name("demand=1.5", "price.spot=2", "price.spot=4")
    base = found["as planned"][1]
    assert found["demand=1.5"][1] > base
    assert found["price.spot=2"][1] > base
    # Above the on-demand price of warm nobody buys spot.
    assert found["price.spot=4"][0][Tier.COLD] == 0


def test_a_lost_host_moves_its_load_to_the_next_tier() -> None:
    found = by_name("lost=hv1")
    assert found["lost=hv1"][0][Tier.HOT] == 2
    assert found["as planned"][0][Tier.HOT] == 4
    assert found["lost=hv1"][0][Tier.COLD] > found["as planned"][0][Tier.COLD]


def test_without_spot_the_on_demand_price_counts() -> None:
    found = by_name("no-spot")
    assert found["no-spot"][0][Tier.COLD] == 0
    assert found["no-spot"][0][Tier.WARM] > 0


def test_scenarios_combine() -> None:
    found = by_name("demand=1.5", "demand=1.5+no-spot")
    assert found["demand=1.5+no-spot"][1] > found["demand=1.5"][1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("demand=x", "not a number"),
        ("demand=-1", "at least 0"),
        ("demand=inf", "finite factor"),
        ("price=inf", "finite factor"),
        ("price.m9=2", "no option matches"),
        ("lost=hv9", "no such host"),
        ("rain", "is not a scenario"),
        ("", "is empty"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_one_clear_sentence(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text)(asked())


def test_the_table_has_a_row_per_scenario() -> None:
    _, heading, rows = table(what_if(asked(), ["demand=2"]))
    assert [row[0] for row in rows] == ["as planned", "demand=2"]
    assert all(len(row) == len(heading) for row in rows)


def test_the_worst_class_is_shown_with_what_it_may_miss() -> None:
    found = what_if(asked(), ())
    (one,) = found
    assert (one.allowed_share, one.promised_share) == (0.01, 0.01)
    assert f"gold {100 * one.expected_share:.3g} / 1 / 1 %" in table(found)[2][0]
