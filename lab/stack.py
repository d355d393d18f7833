"""The lab's stack in its file backend: made at the first `lab up`, so that the plain `pulumi preview` finds one."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from lab import env
from lab.errors import LabError
from lab.model import Lab
from lab.progress import Say, step


def write_passphrase(path: Path) -> None:
    """A random passphrase in `path`, readable by its owner only; one that is there stays."""
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_urlsafe(32), encoding="ascii")
        temporary.replace(path)


def exists(lab: Lab) -> bool:
    """True where the backend has the lab's stack."""
    return any(lab.backend.glob(f".pulumi/stacks/*/{lab.stack}.json"))


def ensure(lab: Lab, say: Say) -> None:
    """Make the stack where the checkout has a project and the backend no stack of it.

    Raises:
        LabError: with the engine's last line, for instance where the stack file was encrypted with another passphrase.
    """
    if exists(lab) or not (lab.root / "Pulumi.yaml").exists():
        return
    with step(say, f"Stack {lab.stack}", "in a file backend of the lab's own, for `pulumi preview` and `pulumi up`"):
        done = subprocess.run(
            ["pulumi", "stack", "init", lab.stack, "--non-interactive"],
            cwd=lab.root,
            env={**os.environ, **env.environment(lab)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise LabError(
            f"The engine could not create the stack '{lab.stack}': {last} If Pulumi.{lab.stack}.yaml comes from an "
            "earlier lab, remove it (`make clean` does) and run this again."
        )
