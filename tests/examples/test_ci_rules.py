"""What the CI examples promise by their text alone: pins, rights, who runs whose code, and what starts them."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePath
from typing import Any

import pytest
import yaml

from tests.examples.ci_steps import EXAMPLES, ROOT, steps, workflow

GITHUB = ("github-pull-request.yml", "github-apply.yml", "github-reconcile.yml")
ALL = (*GITHUB, "gitlab-ci.yml")

#: The commits of the releases that were looked up; another one has to be looked up as well.
PINS = {
    "actions/checkout": ("08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5.0.0"),
    "actions/setup-python": ("e797f83bcb11b83ae66e0230d6156d7c80228e7c", "v6.0.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
    "actions/download-artifact": ("634f93cb2916e3fdff6788551b99b062d0335ce0", "v5.0.0"),
    "actions/cache/restore": ("0057852bfaa89a56745cba8c7296529d2fc39830", "v4.3.0"),
    "actions/cache/save": ("0057852bfaa89a56745cba8c7296529d2fc39830", "v4.3.0"),
    "pulumi/actions": ("8e5e406f4007fca908480587cb9893c07090f58d", "v7.0.0"),
}


def text(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def jobs(name: str) -> dict[str, Any]:
    found = workflow(name)["jobs"]
    assert isinstance(found, dict)
    return found


def everything(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name) for step in steps(name, job)]


def test_these_are_all_examples() -> None:
    assert sorted(path.name for path in EXAMPLES.iterdir()) == sorted(ALL)


@pytest.mark.parametrize("name", GITHUB)
def test_every_action_is_pinned_by_commit_and_says_its_release(name: str) -> None:
    lines = [line for line in text(name).splitlines() if "uses:" in line]
    assert len(lines) == len([step for step in everything(name) if "uses" in step])
    for line in lines:
        found = re.search(r"uses: ([\w/-]+)@([0-9a-f]{40}) # (v[\d.]+)(?:,|$)", line)
        assert found is not None, line
        assert PINS[found[1]] == (found[2], found[3])


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_piped_from_the_network_into_a_shell(name: str) -> None:
    assert not re.search(r"\b(curl|wget)\b", text(name))
    assert not re.search(r"\|\s*(ba)?sh\b", text(name))


@pytest.mark.parametrize("name", GITHUB)
def test_no_expression_is_pasted_into_a_shell(name: str) -> None:
    assert [step["run"] for step in everything(name) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("name", GITHUB)
def test_a_job_has_no_right_that_is_not_listed_and_no_checkout_keeps_the_token(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    checkouts = [step for step in everything(name) if "actions/checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    writing = {
        job: [r for r, how in found["permissions"].items() if how == "write"] for job, found in jobs(name).items()
    }
    assert {job: rights for job, rights in writing.items() if rights} == (
        {"comment": ["pull-requests"]} if name == "github-pull-request.yml" else {}
    )


def test_the_job_that_comments_runs_no_code_of_the_branch() -> None:
    comment = steps("github-pull-request.yml", "comment")
    assert [step.get("uses", "").partition("@")[0] for step in comment] == ["actions/download-artifact", ""]
    assert not re.search(r"python|tiercast |pip|\./", comment[1]["run"])
    gitlab = yaml.safe_load(text("gitlab-ci.yml"))["capacity-comment"]
    assert gitlab["variables"]["GIT_STRATEGY"] == "none"


def test_the_branch_is_judged_by_the_pack_and_the_tiercast_of_the_base() -> None:
    preview = jobs("github-pull-request.yml")["preview"]
    assert preview["env"]["PULUMI_OPTION_POLICY_PACK"].endswith("/base/policies")
    installs = [line for step in preview["steps"] for line in step.get("run", "").splitlines() if "pip install" in line]
    assert installs
    assert all("base/.venv/bin/pip" in line and not re.search(r"\bbranch/", line) for line in installs)


def test_ledger_and_memory_are_kept_by_runs_that_fail() -> None:
    for name, job in (("github-apply.yml", "apply"), ("github-reconcile.yml", "reconcile")):
        kept = [s for s in steps(name, job) if re.search(r"cache/save|upload-artifact", s.get("uses", ""))]
        assert len(kept) >= 2
        assert all(step["if"] == "always()" for step in kept)
        restored = next(s for s in steps(name, job) if "cache/restore" in s.get("uses", ""))
        saved = next(s for s in steps(name, job) if "cache/save" in s.get("uses", ""))
        assert restored["with"]["path"] == saved["with"]["path"], "a cache is found by its paths, too"
    gitlab = yaml.safe_load(text("gitlab-ci.yml"))
    for job in ("capacity-apply", "capacity-reconcile"):
        assert gitlab[job]["cache"]["when"] == "always"


@pytest.mark.parametrize("name", GITHUB)
def test_hidden_folders_are_uploaded_where_they_are_named(name: str) -> None:
    for step in everything(name):
        if "upload-artifact" in step.get("uses", "") and ".tiercast/" in step["with"]["path"]:
            assert step["with"]["include-hidden-files"] is True


def matched(pattern: str, path: str) -> bool:
    """Whether a path filter covers a path: `*` within a folder, `**` (GitLab: `**/*`) at any depth."""
    shape = re.escape(pattern.replace("**/*", "**")).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(shape, path) is not None


def filters() -> dict[str, tuple[str, list[str]]]:
    gitlab = yaml.safe_load(text("gitlab-ci.yml"))
    found = {
        job: (".gitlab-ci.yml", gitlab[job]["rules"][0]["changes"])
        for job in ("capacity-preview", "capacity-comment", "capacity-bind", "capacity-apply")
    }
    started = {"github-pull-request.yml": "pull_request", "github-apply.yml": "push"}
    for name, event in started.items():
        found[name] = (".github/workflows/capacity-preview.yml", workflow(name)["on"][event]["paths"])
    return found


@pytest.mark.parametrize("name", filters())
def test_everything_that_decides_starts_the_job(name: str) -> None:
    itself, patterns = filters()[name]
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    # The lab and the benchmarks decide nothing of a fleet; neither do tests, docs and examples.
    idle = {"lab", "benchmarks", "tests", "docs", "examples", ".ci"}
    files = {path for path in tracked if len(PurePath(path).parts) > 1 and PurePath(path).parts[0] not in idle}
    files |= {itself, "pyproject.toml", "Pulumi.yaml", "Pulumi.prod.yaml", "fleet.yaml", ".tiercast/prod/plan.json"}
    assert [path for path in sorted(files) if not any(matched(pattern, path) for pattern in patterns)] == []
    assert not any(matched(pattern, "README.md") for pattern in patterns)
