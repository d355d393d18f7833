"""Ten killed runs, each of which starts from what the one before left: afterwards the fleet converges, and nothing is lost or
doubled. `make test-kills` converges after each of 100 kills."""

from __future__ import annotations

import pytest

from tests.e2e.world_site import fleet_on_lab
from tests.kills.cases import drawn
from tests.kills.oracle import faults
from tests.kills.trial import RUNS, converged, killed, prepare

pytestmark = [pytest.mark.engine, pytest.mark.lab, pytest.mark.timeout(1800)]

SEED = 13


def test_a_fleet_converges_after_ten_killed_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    kills = drawn(SEED, 10)
    with fleet_on_lab(tmp_path_factory.mktemp("kills")) as site:
        prepare(site, grown=False, image=0)
        site.reconcile()
        hits = {kill.describe(): killed(site, kill, image=kill.number) for kill in kills}
        runs, said = converged(site)
        assert runs <= RUNS, said
        assert "Traceback" not in said
        assert faults(site, grown=kills[-1].grown) == []
    assert sum(hits.values()) >= 6, hits
