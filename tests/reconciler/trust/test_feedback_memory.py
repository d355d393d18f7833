"""What a run keeps for the next: equal bytes for equal inputs, written all or nothing, and nothing that was not known."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from reconciler.adapters.memory import read_memory, write_memory
from reconciler.demand.grouping import group
from reconciler.trust.error_budget import ErrorBudget
from reconciler.trust.feedback import judge
from reconciler.trust.source_silent import usable_alone
from tests.reconciler.trust.feedback_cases import FLEET, WEEK, follow, forecast, history, run


def test_equal_inputs_leave_equal_bytes(tmp_path: Path) -> None:
    base = run(4 * WEEK, None).memory
    texts = []
    for name in ("a", "b"):
        made = run(4 * WEEK + 3, base).memory
        assert made is not None
        write_memory(tmp_path / name, made)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    again = run(4 * WEEK + 3, read_memory(tmp_path / "a")[0]).memory
    assert again is not None
    write_memory(tmp_path / "c", again)
    assert (tmp_path / "c").read_bytes() == texts[0]


def test_a_replay_uses_only_what_was_known_and_leaves_the_memory_alone() -> None:
    memory = follow(4 * WEEK, 4 * WEEK + 48, 0.5)[-1].memory
    assert memory is not None
    past = history(4 * WEEK)
    grouping = group(past, FLEET)
    replayed = judge(FLEET, past, grouping, forecast(past), memory, as_of=past.end, replay=True)
    assert not replayed.demoted
    assert replayed.memory is None
    assert any("replay" in note for note in replayed.notes)
    fresh = judge(FLEET, past, grouping, forecast(past), None, as_of=past.end, replay=True)
    assert replayed.forecast.digest() == fresh.forecast.digest()
    now = history(4 * WEEK + 48)
    assert judge(FLEET, now, group(now, FLEET), forecast(now), memory, as_of=now.end, replay=True).demoted
    assert not usable_alone(FLEET, memory, as_of=past.end)


def test_a_memory_of_version_3_keeps_its_error_budgets(tmp_path: Path) -> None:
    memory = follow(4 * WEEK, 4 * WEEK + 3, 1.0)[-1].memory
    assert memory is not None
    budget = ErrorBudget(weight=2.0, volume=9.0, total=0.09, spent=0.5)
    path = tmp_path / "memory.json"
    write_memory(path, replace(memory, error_budgets={"gold": budget}))
    old = json.loads(path.read_text())
    old["version"], kept = 3, old.pop("error_budgets")["gold"]
    old["records"] = {"gold": {**kept, "used": kept.pop("spent"), "asked": kept.pop("total")}}
    path.write_text(json.dumps(old))
    found, notes = read_memory(path)
    assert found is not None
    assert notes == ()
    assert found.error_budgets == {"gold": budget}
    path.write_text(json.dumps({**old, "version": 2}))
    nothing, notes = read_memory(path)
    assert nothing is None
    assert "another version" in notes[0]


def test_tests_of_another_step_or_overlap_start_anew() -> None:
    memory = follow(4 * WEEK, 4 * WEEK + 48, 0.5)[-1].memory
    assert memory is not None
    assert not run(4 * WEEK + 48, replace(memory, rules=(288.0, 1))).demoted


def test_a_memory_cut_short_starts_anew_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    assert read_memory(path) == (None, ())
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    write_memory(path, memory)
    whole = path.read_text()
    for text in (whole[: len(whole) // 2], "", "[]", "null", '{"version": 2}', whole.replace('"made"', '"other"')):
        path.write_text(text)
        found, notes = read_memory(path)
        assert found is None
        assert "start again" in notes[0]


def test_a_kill_while_the_memory_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    write_memory(path, memory)
    before = path.read_bytes()
    code = (
        "import sys, time\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from reconciler.adapters import files, memory\n"
        "files.os.fsync = lambda fd: (print('writing', flush=True), time.sleep(30))\n"
        "path = Path(sys.argv[1])\nkept, _ = memory.read_memory(path)\n"
        "memory.write_memory(path, replace(kept, load={'gold': 1.0}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == before
    assert read_memory(path)[1] == ()
