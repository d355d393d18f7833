"""The Pulumi engine: the CLI from PATH, or one built from Go modules; and the plugins' wrappers in the lab's `bin`.

Where Pulumi's download site can be reached, people have the CLI with its own language host: then that one is used. Else
the CLI is built from Go modules, pinned by `go.mod` and `go.sum` beside this file, once per user (the build takes
minutes), and the language host is the lab's. Nothing here touches the environment of the user's shell; `lab env` does.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, PartMissing
from lab.progress import Say, step

VERSION = "v3.259.0"
#: The oldest CLI that the program's SDK is tried with; an older one on PATH is passed over.
OLDEST = (3, 259, 0)
MODULE = Path(__file__).resolve().parent
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK = "github.com/pulumi/pulumi/sdk/v3"
EXEC = "pulumi-language-python-exec"
HOST = "pulumi-language-python"
#: Provider → (the SDK that wants it, the module that is it).
PLUGINS = {"aws": ("pulumi_aws", "lab.plugins.aws"), "libvirt": ("pulumi_libvirt", "lab.plugins.libvirt")}

PROGRESS_SECONDS = 30.0
GET_ONE = (
    "put Pulumi's CLI (3.259 or newer) with its language host on PATH, as Pulumi's own installer does, or put Go 1.26 "
    "or newer on PATH, so that the CLI can be built from Go modules."
)


@dataclass(frozen=True, kw_only=True)
class EngineProgram:
    """The CLI, and the script of the lab's language host where the CLI has no host of its own."""

    cli: Path
    version: str
    exec_script: Path | None


def cli_on_path(path: str | None = None) -> tuple[Path, str] | None:
    """A CLI on PATH that is new enough, with its version; a lab's own programs are no one's CLI."""
    found = shutil.which("pulumi", path=foreign(os.environ.get("PATH", os.defpath) if path is None else path))
    version = version_of(Path(found)) if found else None
    if found is None or version is None or _numbers(version) < OLDEST:
        return None
    return Path(found), version


def foreign(path: str) -> str:
    """The search path without folders of a lab: `lab env` puts one there, and a second `lab up` must not mistake it."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if not _is_ours(Path(folder or ".")))


def _is_ours(folder: Path) -> bool:
    try:
        return "-m lab.host " in (folder / HOST).read_text(encoding="utf-8", errors="replace")[:4096]
    except OSError:
        return False


def host_of(cli: Path, path: str | None = None) -> Path | None:
    """The official language host: beside the CLI, where Pulumi's archive puts it, or on PATH."""
    found = shutil.which(HOST, path=str(cli.resolve().parent)) or shutil.which(
        HOST, path=foreign(os.environ.get("PATH", os.defpath) if path is None else path)
    )
    return Path(found) if found else None


def version_of(cli: Path) -> str | None:
    """What `pulumi version` says, for example `v3.259.0`, or None where it does not run."""
    try:
        environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        done = subprocess.run(
            [cli, "version"], capture_output=True, text=True, timeout=60, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v?\d+\.\d+\.\d+\S*", done.stdout)
    return found.group(0) if found and done.returncode == 0 else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def cached(cache: Path) -> Path:
    """Where the CLI that `go.mod` and `go.sum` pin is, or will be, built."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    return cache / "engine" / digest.hexdigest()[:16]


def ensure(cache: Path, say: Say) -> EngineProgram:
    """The engine to use, with what is missing of it built or fetched first.

    Raises:
        PartMissing: something is missing and Go is not there to build it.
        LabError: the build failed; the message has Go's last line.
    """
    folder = cached(cache)
    found = cli_on_path()
    if found is not None and host_of(found[0]) is not None:
        return EngineProgram(cli=found[0], version=found[1], exec_script=None)
    if found is None and not (folder / "pulumi").exists():
        go = _need_go("The Pulumi engine", GET_ONE)
        why = f"no usable CLI on PATH, so {VERSION} is built from Go modules (about 4 minutes, once per user)"
        with step(say, "Pulumi engine", why):
            _build(go, folder, say)
    if not (folder / EXEC).exists():
        go = _need_go("Pulumi's language host for Python", GET_ONE)
        with step(say, "Language host", "its start script is copied from the SDK's Go module"):
            _copy_script(go, folder)
    cli, version = found or (folder / "pulumi", VERSION)
    return EngineProgram(cli=cli, version=version, exec_script=folder / EXEC)


def _need_go(part: str, remedy: str) -> str:
    go = shutil.which("go")
    if go is None:
        raise PartMissing(part, remedy)
    return go


def _build(go: str, folder: Path, say: Say) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"pulumi.{os.getpid()}"
    flags = f"-s -w -X {SDK}/go/common/version.Version={VERSION}"
    try:
        # -v names each package as it is compiled: that is the progress.
        _go(go, "build", "-v", "-ldflags", flags, "-o", str(part), PACKAGE, say=say)
        part.replace(folder / "pulumi")
    finally:
        part.unlink(missing_ok=True)


def _copy_script(go: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(json.loads(_go(go, "mod", "download", "-json", SDK))["Dir"])
    script = folder / f"{EXEC}.{os.getpid()}"
    shutil.copyfile(source / "python" / "cmd" / EXEC, script)
    script.chmod(0o755)
    script.replace(folder / EXEC)


def _go(go: str, *arguments: str, say: Say | None = None) -> str:
    """Run Go in the module's folder; what it says on stderr is counted for `say` every half minute."""
    flags = f"{os.environ.get('GOFLAGS', '')} -mod=readonly".strip()
    environment = {**os.environ, "GOFLAGS": flags, "GOWORK": "off"}
    lines: list[str] = []
    told = started = time.monotonic()
    command = [go, *arguments]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(command, cwd=MODULE, env=environment, text=True, stdout=output, stderr=pipe) as process,
    ):
        try:
            for line in process.stderr or ():
                lines.append(line.strip())
                if say is not None and time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    say(f"    {len(lines)} packages compiled, {told - started:.0f} s so far")
        except BaseException:
            process.terminate()
            raise
        if process.wait() != 0:
            last = next((line for line in reversed(lines) if line), "no output")
            raise LabError(f"`go {arguments[0]}` failed while the Pulumi engine was built: {last}")
        output.seek(0)
        return output.read()


def write_programs(engine: EngineProgram, folder: Path, home: Path) -> None:
    """(Re)write the lab's programs.

    `folder` (for PATH) gets the CLI and a language host, unless the CLI has a host of its own. `home`, the engine's own
    PULUMI_HOME, gets the provider plugins as installed ones in the version that the SDK asks for: so one on PATH, such
    as the genuine one, still comes first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if engine.exec_script is None:
        for name in ("pulumi", EXEC, HOST):
            (folder / name).unlink(missing_ok=True)
    else:
        _link(engine.cli, folder / "pulumi")
        _write_wrapper(folder / HOST, "lab.host")
        _link(engine.exec_script, folder / EXEC)
    for name, (sdk, module) in PLUGINS.items():
        plugin = home / "plugins" / f"resource-{name}-v{importlib.metadata.version(sdk)}"
        plugin.mkdir(parents=True, exist_ok=True)
        _write_wrapper(plugin / f"pulumi-resource-{name}", module)


def _write_wrapper(path: Path, module: str) -> None:
    # The engine starts plugins in folders of its choice; -P keeps those out of the import path.
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {module} "$@"\n'
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    temporary.replace(path)


def _link(target: Path, path: Path) -> None:
    """Hard link where the file system allows it: the engine looks for its host beside its resolved own path."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(target.resolve(), temporary)
    except OSError:
        temporary.symlink_to(target)
    temporary.replace(path)
    # Renaming onto another name of the same file does nothing and leaves both.
    temporary.unlink(missing_ok=True)
