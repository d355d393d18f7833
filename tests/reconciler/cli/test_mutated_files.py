"""Whatever a file holds: it is read, or refused in one sentence; never a traceback, and no file is changed.

`make fuzz` reads 10,000 mutated files from a seed that it prints; `make test` reads a tenth of them.
"""

from __future__ import annotations

import contextlib
import io
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import click
import pytest

from reconciler.demand import outlook
from reconciler.errors import TiercastError
from reconciler.observe.redaction import printable
from tests.reconciler.cli.fuzzed_files import TARGETS, Target, project_in, write_project
from tests.reconciler.loop.test_loop_feedback import Model

#: Files of one part, of which `make fuzz` runs ten.
CASES = 1_000
#: What no sentence for a person holds: words of a library, a query, or a format of another program.
FOREIGN = ("Traceback", "<class", "SELECT ", "read_csv(", "read_parquet(", "pydantic", "duckdb", "object at 0x")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def fault(said: str) -> str:
    """What is wrong with the sentence of an error; empty where nothing is."""
    said.encode()  # a lone surrogate could not be printed
    if "\n" in said.strip():
        return "several lines"
    return next((f"the word {word!r}" for word in FOREIGN if word in said), "")


def outcome(target: Target, folder: Path, pristine: Mapping[str, bytes], random: Random) -> str:
    """What came of one mutated file: "read", "refused", or what is wrong."""
    original = pristine[{"series": "h.csv", "events": "e.csv"}.get(target.source, target.name)]
    changed = {target.name: target.mutated(random, original)}
    if target.source:
        changed["fleet.yaml"] = pristine["fleet.yaml"].replace(b"[h.csv]", f"[{target.name}]".encode())
    for name, data in changed.items():
        (folder / name).write_bytes(data)
    before, said = contents(folder), ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            target.read(project_in(folder))
    except (TiercastError, click.ClickException) as error:
        said = printable(str(error)) or "an error without a sentence\n"  # as the command line prints it
    except Exception as defect:
        last = traceback.extract_tb(defect.__traceback__)[-1]
        return f"{type(defect).__name__} in {Path(last.filename).name}:{last.lineno}: {str(defect)[:300]}"
    if contents(folder) != before:
        return "a file was changed, removed or made"
    if problem := fault(said):
        return f"{problem} in the sentence: {said[:300]}"
    for name in changed:
        (folder / name).unlink()
        if name in pristine:
            (folder / name).write_bytes(pristine[name])
    return "refused" if said else "read"


@pytest.mark.generated
def test_a_mutated_file_is_read_or_refused_in_one_sentence_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases_seed: int
) -> None:
    monkeypatch.setattr(outlook, "forecast_of", Model())  # the forecaster reads no file
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    write_project(tmp_path)
    pristine = contents(tmp_path)
    draw = Random(cases_seed)
    targets = draw.choices(TARGETS, weights=[target.weight for target in TARGETS], k=CASES)
    counts: Counter[str] = Counter()
    wrong = []
    for case, target in enumerate(targets):
        found = outcome(target, tmp_path, pristine, Random(cases_seed * CASES + case))
        counts[found if found in ("read", "refused") else "wrong"] += 1
        if found not in ("read", "refused"):
            wrong.append(f"case {case}, {target.name}: {found}")
            for name, data in pristine.items():
                (tmp_path / name).write_bytes(data)
    print(f"seed {cases_seed}: {dict(counts)}")
    assert not wrong, "\n".join(wrong[:20])
    assert min(counts["read"], counts["refused"]) > CASES / 20, counts
