"""Every `tiercast` command line that README, docs and CI examples show is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from reconciler.cli import root

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples" / "ci").glob("*.yml"))
#: What stands in for a value in prose.
PLACEHOLDERS = re.compile(r"[…\[\]|]|\b(FILE|NAME|T0|T1|PLAN|SHARE|DURATION|FOLDER|U|L)\b")


def shown() -> list[str]:
    """Command lines in code blocks (first word, or after a prompt) and in examples, without comments and redirections."""
    found = []
    for path in PAGES:
        for block in re.findall(r"```\w*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            found += re.findall(r"^(?:\$ )?tiercast ([^\n#]*)", block, re.MULTILINE)
        found += re.findall(r"`(?:\$ )?tiercast ([^`\n]*)`", path.read_text(encoding="utf-8"))
    for path in EXAMPLES:
        found += re.findall(r"bin/tiercast ([^\n]*)", path.read_text(encoding="utf-8"))
    cut = (re.split(r"[>#;]|\|\||&&| \| ", line)[0].strip() for line in found)
    return sorted({line for line in cut if line and not PLACEHOLDERS.search(line)})


@pytest.mark.parametrize("line", shown())
def test_a_shown_command_is_understood(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    command: click.Command = root
    arguments = shlex.split(line)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        child = command.get_command(click.Context(command), name)
        assert child is not None, f"there is no command {name}"
        command = child
    for argument in arguments:
        if argument.startswith("Pulumi."):
            Path(argument).write_text("config: {}\n", encoding="utf-8")
    if len(arguments) == 1 and arguments[0].startswith("--"):  # prose that names an option without its value
        assert arguments[0] in {"--help", *(name for option in command.params for name in option.opts)}
    elif arguments:
        command.make_context(command.name, arguments).close()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_yaml_with_jobs(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
