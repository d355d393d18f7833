"""Commits on a branch of the user's repository, made without its work tree and its index.

Objects and the branch are written by git's plumbing commands. No hook runs, and no file of a checkout changes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from reconciler.errors import InputError, UserError
from reconciler.report.proposal import TRAILER

#: Who commits where the user configured nobody.
_NOBODY = {"NAME": "tiercast", "EMAIL": "tiercast@localhost"}


def top_of(folder: Path) -> Path:
    """Top folder of the repository around `folder`. Raises InputError where there is none."""
    done = _git(folder, "rev-parse", "--show-toplevel", check=False)
    if done.returncode != 0:
        raise InputError(
            str(folder), "it is in no git repository, so there is no branch.", "Use --patch, or run `git init`."
        )
    return Path(done.stdout.strip())


def committed(path: Path, top: Path) -> str | None:
    """Text of a file in HEAD; None where HEAD has none."""
    done = _git(top, "cat-file", "blob", f"HEAD:{path.relative_to(top).as_posix()}", check=False)
    return done.stdout if done.returncode == 0 else None


def commit_to(branch: str, files: Mapping[Path, str], *, message: str, root: Path, now: datetime) -> str:
    """Set a branch to HEAD with one commit on top that holds these files; returns the commit's id.

    An existing branch is replaced only if all its commits that HEAD does not have were made here.

    Args:
        branch: its name. It must not be checked out.
        files: absolute path in the repository → text.
        message: of the commit, with the trailer of the plan.
        root: a folder in the repository.
        now: date of the commit.

    Raises:
        InputError: the branch can't be replaced, a file is outside of the repository, or there is no commit yet.
        UserError: git is missing or fails.
    """
    top = top_of(root)
    ref = f"refs/heads/{branch}"
    head = _git(top, "rev-parse", "--verify", "HEAD^{commit}", check=False)
    if head.returncode != 0:
        raise InputError(str(top), "the repository has no commit yet.", "Commit the project first.")
    base = head.stdout.strip()
    before = _replaceable(top, branch, ref, base)
    with tempfile.TemporaryDirectory(prefix="tiercast-git-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(top, "read-tree", base, env=index)
        for path, text in files.items():
            if not path.is_relative_to(top):
                raise InputError(str(path), f"it is outside of the repository {top}.", "Use --patch.")
            blob = _git(top, "hash-object", "-w", "--stdin", "--no-filters", stdin=text).stdout.strip()
            entry = f"100644,{blob},{path.relative_to(top).as_posix()}"
            _git(top, "update-index", "--add", "--cacheinfo", entry, env=index)
        tree = _git(top, "write-tree", env=index).stdout.strip()
    made = _git(top, "commit-tree", tree, "-p", base, stdin=message, env=_identity(top, now)).stdout.strip()
    # Only if nobody moved the branch meanwhile: an empty old value means that it must not exist.
    _git(top, "update-ref", "-m", "tiercast: proposed", ref, made, before)
    return made


def _replaceable(top: Path, branch: str, ref: str, base: str) -> str:
    """Id of the commit that the branch is at, "" where there is no such branch; InputError where it may not be replaced."""
    if _git(top, "check-ref-format", ref, check=False).returncode != 0:
        raise InputError(branch, "it is no name for a branch.", "Give another --branch.")
    if f"branch {ref}" in _git(top, "worktree", "list", "--porcelain").stdout.splitlines():
        raise InputError(branch, "this branch is checked out.", "Give another --branch, or check out another one.")
    found = _git(top, "rev-parse", "--verify", "--quiet", ref, check=False)
    if found.returncode != 0:
        return ""
    form = f"--format=%(trailers:key={TRAILER},valueonly,separator=%x2C)|%h"
    own = _git(top, "log", form, f"{base}..{ref}").stdout.splitlines()
    if foreign := [line[1:] for line in own if line.startswith("|")]:
        raise InputError(
            branch,
            f"this branch has commits that tiercast did not make ({', '.join(foreign[:3])}).",
            "Give another --branch, or merge them first.",
        )
    return found.stdout.strip()


def _identity(top: Path, now: datetime) -> dict[str, str]:
    """Author, committer and date for `commit-tree`: the user's own where git knows one."""
    found = {}
    for role in ("AUTHOR", "COMMITTER"):
        found[f"GIT_{role}_DATE"] = f"{int(now.timestamp())} +0000"
        for key, name in _NOBODY.items():
            variable = f"GIT_{role}_{key}"
            known = os.environ.get(variable) or _git(top, "config", f"user.{key.lower()}", check=False).stdout.strip()
            found[variable] = known or name
    return found


def _git(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **(env or {})},
            check=False,
        )
    except FileNotFoundError:
        raise UserError("git is not installed.", remedy="Install git, or use --patch.") from None
    if check and done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"git {arguments[0]} failed: {words[-1]}.", remedy="Fix what git reports, or use --patch.")
    return done
