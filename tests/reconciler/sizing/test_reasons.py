"""The reason of a tier names what binds its size, whichever place the tier has."""

from __future__ import annotations

from reconciler.sizing import size
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import option, problem


def test_an_unused_first_tier_is_not_explained_by_tiers_before_it() -> None:
    asked = problem({"gold": 0.0}, [option(Tier.HOT), option(Tier.WARM)])
    assert size(asked).reasons[Tier.HOT] == "0: no demand of gold is expected."
    busy = problem({"gold": 50.0}, [option(Tier.HOT, maximum=0), option(Tier.WARM)])
    assert size(busy).reasons[Tier.HOT].startswith("0: no capacity is available")
    # Hot takes too long to be worth its start for a single step: warm carries it.
    beside = problem({"gold": 50.0}, [option(Tier.HOT, boot_seconds=600), option(Tier.WARM)])
    assert size(beside).reasons[Tier.HOT] == "0: warm carries gold within every promise without it."
