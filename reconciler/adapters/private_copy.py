"""A private copy of all files that decide an update, so that what was checked is what runs.

Between the check of an approval and the end of its update a branch can be switched, or an edit saved. The check and the update
therefore both read a copy that nobody else can enter: `Pulumi.yaml`, the stack file, the program, the policy pack with its
configuration and the files it names, and the modules of tiercast that lie in the project. Paths below the copy's folder are
the same as outside, so that relative names lead to copies too. The virtualenv is linked.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.adapters.files import read_text
from reconciler.adapters.project import PACK_FILE, Project
from reconciler.errors import InputError
from reconciler.plan.render import read_config

#: Folders of a project that the program and the policy pack import.
_IMPORTED = ("stacks", "reconciler", "forecaster")
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".git")


@contextmanager
def private_copy(project: Project) -> Iterator[Project]:
    """The project with its deciding files in a folder of mode 0700, which is deleted at the end.

    The plan, the ledger and the reports stay where they are.

    Raises:
        InputError: a file cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="tiercast-apply-") as name:
        top = Path(name)
        try:
            copy = _copied(project, top)
        except (OSError, shutil.Error) as error:
            raise InputError(
                str(getattr(error, "filename", "") or project.root),
                f"the files of the update cannot be copied: {getattr(error, 'strerror', None) or error}.",
                "Free the disk, or set TMPDIR to a folder with room.",
            ) from None
        # Outside of the `try`: an error of the update itself is no error of the copy.
        yield copy


def _copied(project: Project, top: Path) -> Project:
    root = _below(top, project.root)
    root.mkdir(parents=True)
    shutil.copy2(project.root / "Pulumi.yaml", root)
    program = project.program
    for folder in dict.fromkeys((*(project.root / name for name in _IMPORTED), program)):
        if folder.is_dir() and not _below(top, folder).exists():
            shutil.copytree(folder, _below(top, folder), ignore=_SKIPPED)
    environment = project.root / ".venv"
    if environment.exists():
        (root / ".venv").symlink_to(environment.resolve(), target_is_directory=True)
    config_dir = _below(top, project.config_dir)
    config_dir.mkdir(parents=True, exist_ok=True)
    if project.stack_file.exists():
        shutil.copyfile(project.stack_file, config_dir / project.stack_file.name)
    engine = project.engine()
    pack = config = None
    if engine.policy_pack is not None:
        pack = _below(top, engine.policy_pack.resolve())
        if not (pack / PACK_FILE).exists():
            shutil.copytree(engine.policy_pack.resolve(), pack, ignore=_SKIPPED, dirs_exist_ok=True)
        for module in ("policies", *_IMPORTED):
            beside = engine.policy_pack.resolve().parent / module
            if beside.is_dir() and not (pack.parent / module).exists():
                shutil.copytree(beside, pack.parent / module, ignore=_SKIPPED)
        if engine.policy_config is not None:
            config = _below(top, engine.policy_config.resolve())
            config.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(engine.policy_config, config)
            _copy_named(engine.policy_config, engine.policy_pack.resolve(), top, project)
    return replace(
        project, root=root, config_dir=config_dir, home=project.home or project.root, pack=pack, pack_config=config
    )


def _below(top: Path, path: Path) -> Path:
    """Where a file or folder lies in the copy."""
    whole = path.absolute()
    return top / whole.relative_to(whole.anchor)


def _copy_named(config: Path, pack: Path, top: Path, project: Project) -> None:
    """Copy the files that the pack's configuration names, relative to the pack."""
    names = {"{stack}": project.stack.rpartition("/")[2], "{project}": project.name, "{plan}": _plan_id(project)}
    for text in _texts(json.loads(config.read_text(encoding="utf-8"))):
        named = text.partition("#sha256=")[0]
        for mark, name in names.items():
            named = named.replace(mark, name)
        source = Path(pack / named)
        if len(named) < 1024 and not Path(named).is_absolute() and source.is_file():
            target = _below(top, source.resolve())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _plan_id(project: Project) -> str:
    """The id of the plan that the stack file names; "" without one."""
    if not project.stack_file.exists():
        return ""
    values = read_config(read_text(project.stack_file, "a stack file"), str(project.stack_file))
    plan = values.get("tiercast:plan")
    return str(plan.get("id", "")) if isinstance(plan, dict) else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
