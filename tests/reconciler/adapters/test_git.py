"""Commits on a branch of a real repository, whose work tree and index stay as they are."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.git import commit_to, committed, top_of
from reconciler.errors import InputError, UserError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MESSAGE = "Capacity of dev: hot 1 → 2\n\nwhy\n\nTiercast-Plan: p1\n"


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.com"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    top = tmp_path / "repository"
    (top / "infra").mkdir(parents=True)
    (top / "infra" / "Pulumi.dev.yaml").write_text("config: {}\n")
    (top / ".gitignore").write_text(".tiercast/\n")
    git(top, "init", "-q", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    (top / "infra" / "notes.txt").write_text("not committed\n")
    (top / "infra" / "staged.txt").write_text("staged\n")
    git(top, "add", "infra/staged.txt")
    return top


def propose(top: Path, text: str, *, branch: str = "capacity/dev", message: str = MESSAGE) -> str:
    files = {top / "infra" / "Pulumi.dev.yaml": text, top / "infra" / ".tiercast" / "dev" / "plan.json": "{}\n"}
    return commit_to(branch, files, message=message, root=top / "infra", now=NOW)


def test_a_proposal_is_one_commit_on_head_and_the_checkout_is_untouched(repository: Path) -> None:
    before = (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD"))
    made = propose(repository, "config: {a: 1}\n")
    assert (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")) == before
    assert git(repository, "rev-parse", "capacity/dev") == made
    assert git(repository, "rev-parse", "capacity/dev^") == before[1]
    changed = git(repository, "diff", "--name-only", "main", "capacity/dev").splitlines()
    assert changed == ["infra/.tiercast/dev/plan.json", "infra/Pulumi.dev.yaml"], "also what .gitignore names"
    assert git(repository, "show", "capacity/dev:infra/Pulumi.dev.yaml") == "config: {a: 1}"
    assert git(repository, "log", "-1", "--format=%an <%ae> %aI", "capacity/dev") == (
        "tiercast <tiercast@localhost> 2026-01-05T12:00:00+00:00"
    )


def test_the_identity_is_the_users_own_where_there_is_one(repository: Path) -> None:
    git(repository, "config", "user.name", "Robot")
    git(repository, "config", "user.email", "robot@example.com")
    propose(repository, "config: {a: 1}\n")
    assert git(repository, "log", "-1", "--format=%cn <%ce>", "capacity/dev") == "Robot <robot@example.com>"


def test_the_next_proposal_replaces_the_last_one_and_follows_head(repository: Path) -> None:
    propose(repository, "config: {a: 1}\n")
    git(repository, "commit", "-qm", "second")
    propose(repository, "config: {a: 2}\n")
    assert git(repository, "log", "--format=%s", "main..capacity/dev") == "Capacity of dev: hot 1 → 2"
    assert git(repository, "rev-parse", "capacity/dev^") == git(repository, "rev-parse", "main")


def test_a_commit_of_a_person_is_never_lost(repository: Path) -> None:
    propose(repository, "config: {a: 1}\n")
    mine = propose(repository, "config: {a: 3}\n", branch="other", message="by hand\n")
    git(repository, "update-ref", "refs/heads/capacity/dev", mine)
    with pytest.raises(InputError, match="commits that tiercast did not make"):
        propose(repository, "config: {a: 2}\n")
    assert git(repository, "rev-parse", "capacity/dev") == mine


def test_a_branch_that_is_checked_out_is_refused(repository: Path) -> None:
    with pytest.raises(InputError, match="checked out"):
        propose(repository, "config: {a: 1}\n", branch="main")


@pytest.mark.parametrize("name", ["a..b", "", "x.lock", "-", "a b"])
def test_a_name_that_git_refuses_is_refused(repository: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for a branch"):
        propose(repository, "config: {a: 1}\n", branch="/" if name == "-" else name)


def test_what_head_holds_is_read_without_the_work_tree(repository: Path) -> None:
    path = repository / "infra" / "Pulumi.dev.yaml"
    path.write_text("edited: true\n")
    assert committed(path, top_of(path.parent)) == "config: {}\n"
    assert committed(repository / "infra" / "notes.txt", repository) is None


def test_without_a_repository_a_commit_or_git_it_is_one_sentence(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(InputError, match="in no git repository"):
        top_of(alone)
    git(alone, "init", "-q")
    (alone / "infra").mkdir()
    with pytest.raises(InputError, match="no commit yet"):
        propose(alone, "x\n")
    with pytest.raises(InputError, match="outside of the repository"):
        commit_to("b", {alone / "f": "x"}, message=MESSAGE, root=repository, now=NOW)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="git is not installed"):
        top_of(repository)
