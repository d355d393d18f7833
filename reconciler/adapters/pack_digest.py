"""The digest of a policy pack: every file that decides, wherever the pack takes it from.

Files are found as Python finds them: the pack's imports are followed from `__main__.py`, first beside the pack, then where
tiercast is installed. Data files beside an imported module count too. Of packages of others the version counts.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from importlib import util
from pathlib import Path
from typing import Any

#: Packages of others that decide with the pack.
_PACKAGES = ("pulumi", "pulumi-policy", "pydantic", "pydantic-core", "numpy", "scipy", "PyYAML")
#: Our packages that a pack may import.
_OURS = ("policies", "stacks", "reconciler", "forecaster")
_DATA = frozenset({".yaml", ".json", ".xslt"})
#: Files that are new with every plan: an older plan, approved, stays approved.
_PER_PLAN = frozenset({"forecastFile", "planFile"})


def pack_digest(pack: Path | None, config: Path | None, *, project: str, stack: str, named: bool = True) -> str:
    """SHA-256 over what a pack decides by.

    Covers the pack, its imports of ours, the data files beside them, versions of other packages, the configuration, and the
    files that the configuration pins, without those that are new with every plan (`forecastFile`, `planFile`) and those in a
    bucket, of which the address with its digest counts.

    Args:
        pack: folder of the pack; None: no policies run.
        config: the pack's configuration file; None or absent: none.
        project, stack: for `{project}` and `{stack}` in names of pinned files.
        named: whether the pinned files count. Without them the digest stays while scheduled jobs renew what runs or was billed.
    """
    sha = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        sha.update(f"{name}\0{len(content)}\0".encode() + content)

    if pack is None:
        return sha.hexdigest()
    folder = pack.resolve()
    for name, path in sorted(deciding_files(folder).items()):
        add(name, path.read_bytes())
    for package in _PACKAGES:
        add(package, _version(package).encode())
    if config is not None and config.exists():
        text = config.read_bytes()
        add("configuration", text)
        for key, name in sorted(_pinned(text)) if named else ():
            path = folder / name.partition("#sha256=")[0].replace("{stack}", stack).replace("{project}", project)
            add(f"{key} {name}", path.read_bytes() if path.is_file() else b"absent")
    return sha.hexdigest()


def deciding_files(pack: Path) -> dict[str, Path]:
    """Name → file of the pack and of everything of ours that it imports; names are relative to the folder that holds them."""
    found = {f"{pack.name}/{path.relative_to(pack)}": path for path in _files(pack)}
    reached: set[Path] = set()
    waiting = [path for path in found.values() if path.suffix == ".py"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for module in _imports(path, pack):
            waiting += _parts(module, pack.parent)
    for path in reached:
        root = _root(path)
        near = [path, *(other for other in path.parent.iterdir() if other.suffix in _DATA)]
        found |= {str(one.relative_to(root)): one for one in near if pack not in one.parents}
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in {".py", *_DATA} and path.is_file() and "__pycache__" not in path.parts:
            yield path


def _imports(path: Path, pack: Path) -> Iterator[str]:
    """Full names of what a module imports, at its top or in a function; a name that is taken from one is tried as a module."""
    package = path.relative_to(_root(path) if pack not in path.parents else pack.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _parts(module: str, beside: Path) -> list[Path]:
    """Files that run when a module of ours is imported: its packages' `__init__.py` and its own."""
    names = module.split(".")
    near = beside / names[0]
    home = beside if near.is_dir() or near.with_suffix(".py").is_file() else _installed(names[0])
    if home is None:
        return []
    found = []
    for length in range(1, len(names) + 1):
        place = home.joinpath(*names[:length])
        found += [p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()]
    return found


def _installed(name: str) -> Path | None:
    """The folder above an installed package of ours."""
    spec = util.find_spec(name) if name in _OURS else None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]).resolve().parent if places else None


def _root(path: Path) -> Path:
    """The folder above the outermost package of a file."""
    folder = path.parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def _pinned(text: bytes) -> set[tuple[str, str]]:
    """Setting and file name for every file that a configuration names; none where it can't be read, which the pack refuses."""
    try:
        raw: Any = json.loads(text)
    except ValueError:
        return set()
    settings = [one for one in raw.values() if isinstance(one, Mapping)] if isinstance(raw, Mapping) else []
    return {
        (key, named)
        for one in settings
        for key, named in one.items()
        if key.endswith("File") and key not in _PER_PLAN and isinstance(named, str) and named
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
