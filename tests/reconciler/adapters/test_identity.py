"""What an approval is bound to besides files and steps: the program, and where and with what it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.identity import place_of, program_digest
from reconciler.adapters.project import Project, find_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: stacks/\n")
    (tmp_path / "stacks" / "part").mkdir(parents=True)
    (tmp_path / "stacks" / "__main__.py").write_text("import part\n")
    (tmp_path / "stacks" / "part" / "__init__.py").write_text("")
    return find_project(tmp_path, stack="lab", fleet=None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pulumi.yaml", "name: shop\nruntime: nodejs\nmain: stacks/\n"),
        ("stacks/__main__.py", "import other\n"),
        ("stacks/part/__init__.py", "x = 1\n"),
        ("stacks/new.py", ""),
        ("stacks/overlay.xslt", "<x/>"),
        ("stacks/data.csv", "1\n"),
    ],
)
def test_every_file_of_the_program_counts(project: Project, name: str, text: str) -> None:
    before = program_digest(project)
    (project.root / name).write_text(text)
    assert program_digest(project) != before


def test_a_compiled_file_and_files_elsewhere_do_not_count(project: Project) -> None:
    before = program_digest(project)
    (project.root / "stacks" / "__pycache__").mkdir()
    (project.root / "stacks" / "__pycache__" / "part.cpython-311.pyc").write_bytes(b"1")
    (project.root / "notes.py").write_text("1")
    assert program_digest(project) == before


def test_the_program_is_where_the_project_file_says(project: Project) -> None:
    (project.root / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: elsewhere/\n")
    (project.root / "elsewhere").mkdir()
    before = program_digest(project)
    (project.root / "elsewhere" / "__main__.py").write_text("1")
    assert program_digest(project) != before


def test_a_plugin_on_the_path_is_part_of_the_place(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://user:canary@state.example/team?token=canary")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    without = place_of(project, {})
    assert without["backend"] == "https://state.example/team"
    assert not [name for name in without if name.endswith("on PATH")]
    plugin = tmp_path / "bin" / "pulumi-resource-aws"
    plugin.parent.mkdir()
    found = []
    for text in ("#!/bin/sh\n", "#!/bin/sh\necho other\n"):
        plugin.write_text(text)
        plugin.chmod(0o755)
        found.append(place_of(project, {})["pulumi-resource-aws on PATH"])
    assert found[0] != found[1]
