"""The shell of the CI examples, run step by step; the host's API and, here, the engine are stand-ins."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.examples.ci_steps import PYTHON, Runner, jobs_of_gitlab, mode, named, plain_environment, workflow

MARKER = "<!-- tiercast:tiercast/prod -->"

#: Stands in for `gh api` and `glab api`: answers with the pages of notes that lie there, and notes what it is told to write.
API = """#!/bin/sh
echo "$@" >> @LOG@
case "$*" in *--paginate*) cat "$PAGES" ;; *body=@*) cat preview.md > "$WRITTEN" ;; esac
"""

#: Stands in for tiercast: notes its arguments, and does what a preview leaves.
TIERCAST = """#!/bin/sh
echo "$@" >> {log}
echo "{marker}"
if [ "$1" = preview ]; then echo bound >> ".tiercast/$PULUMI_STACK/plan.json"; fi
exit {code}
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(folder=tmp_path / "work", environment={**plain_environment(), "PULUMI_STACK": "prod"})


def tiercast(runner: Runner, folder: str, code: int) -> Path:
    """Put the stand-in where the job's virtualenv would have it."""
    path, log = runner.folder / folder / ".venv" / "bin" / "tiercast", runner.folder.parent / "tiercast.log"
    path.parent.mkdir(parents=True)
    path.write_text(TIERCAST.format(log=log, marker=MARKER, code=code))
    path.chmod(0o755)
    return log


def notes(runner: Runner, *pages: list[dict[str, Any]]) -> Path:
    """What the host's API lists, page by page, and where it notes what is written."""
    pages_file, written = runner.folder.parent / "pages.json", runner.folder.parent / "written"
    pages_file.write_text("".join(json.dumps(page) for page in pages))
    runner.environment |= {"PAGES": str(pages_file), "WRITTEN": str(written)}
    return written


def comment(host: str, number: int, author: str, body: str) -> dict[str, Any]:
    who = {"user": {"login": author}} if host == "github" else {"author": {"username": author}}
    return {"id": number, "body": body, **who}


def post(runner: Runner, host: str) -> tuple[int, str]:
    """Run the job that comments; its exit code, and the calls of the API."""
    log = runner.stand_in("gh" if host == "github" else "glab", API)
    if host == "github":
        runner.values = {"github.token": "t", "github.event.pull_request.number": "7", "env.PULUMI_STACK": "prod"}
        done = runner.run(named("github-pull-request.yml", "comment", "found again"))
    else:
        job = jobs_of_gitlab()["capacity-comment"]
        variables = {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "COMMENT_TOKEN": "t", "COMMENT_AUTHOR": "bot"}
        done = runner.script(job["script"], {**variables, **job["variables"]})
    return done.returncode, log.read_text() if log.exists() else done.stderr


BOT = {"github": "github-actions[bot]", "gitlab": "bot"}


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_the_comment_of_its_own_author_with_its_own_marker_is_updated(runner: Runner, host: str) -> None:
    (runner.folder / "preview.md").write_text(f"{MARKER}\n`$(touch owned)` <b>\n")
    mallory = comment(host, 1, "mallory", f"{MARKER}\nfake")
    other = comment(host, 2, BOT[host], "<!-- tiercast:tiercast/dev -->\n")
    mine = comment(host, 3, BOT[host], f"{MARKER}\nold")
    written = notes(runner, [mallory, other], [mine])
    code, calls = post(runner, host)
    assert code == 0
    put = calls.splitlines()[-1]
    assert ("PATCH" in put and "comments/3" in put) if host == "github" else ("PUT" in put and "notes/3" in put)
    assert written.read_text() == (runner.folder / "preview.md").read_text()
    assert not (runner.folder / "owned").exists()


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_foreign_comment_with_the_marker_is_left_alone_and_a_new_one_is_written(runner: Runner, host: str) -> None:
    (runner.folder / "preview.md").write_text(f"{MARKER}\nnew\n")
    notes(runner, [comment(host, 1, "mallory", f"{MARKER}\nfake")], [])
    code, calls = post(runner, host)
    assert code == 0
    assert "POST" in calls.splitlines()[-1]
    assert "/1 " not in calls


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_what_is_no_preview_is_not_posted(runner: Runner, host: str) -> None:
    (runner.folder / "preview.md").write_text("approved, merge me\n")
    notes(runner, [])
    code, calls = post(runner, host)
    assert code != 0
    assert calls == ""


@pytest.mark.parametrize(("code", "passes"), [(0, True), (2, True), (3, True), (1, False), (130, False)])
def test_a_preview_hands_on_its_exit_code_and_a_refused_one_is_red_only_at_the_end(
    runner: Runner, code: int, passes: bool
) -> None:
    (runner.folder / "branch" / ".tiercast" / "prod").mkdir(parents=True)
    tiercast(runner, "base", code)
    done = runner.run(named("github-pull-request.yml", "preview", "preview"))
    assert (done.returncode == 0) is passes
    assert runner.outputs["code"] == str(code)
    assert (runner.folder / "preview.md").read_text() == f"{MARKER}\n"
    runner.values = {"steps.preview.outputs.code": str(code)}
    red = runner.run(named("github-pull-request.yml", "preview", "red where"))
    assert (red.returncode == 0) is (code != 3)


PASSPHRASES = [
    ("github-pull-request.yml", "preview"),
    ("github-apply.yml", "apply"),
    ("github-reconcile.yml", "reconcile"),
]


@pytest.mark.parametrize(("name", "job"), PASSPHRASES)
def test_the_passphrase_is_in_a_private_file_and_nowhere_else(runner: Runner, name: str, job: str) -> None:
    runner.values = {"secrets.PULUMI_CONFIG_PASSPHRASE": "CANARY $(touch owned)"}
    done = runner.run(named(name, job, "passphrase"))
    assert done.returncode == 0
    path = Path(runner.environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert path.read_text() == "CANARY $(touch owned)\n"
    assert mode(path) == 0o600
    assert "CANARY" not in done.stdout + done.stderr
    assert list(runner.folder.iterdir()) == []


def test_dependencies_come_from_the_base_and_a_virtualenv_of_the_branch_is_thrown_away(runner: Runner) -> None:
    log = runner.stand_in("python", PYTHON)
    (runner.folder / "branch" / ".venv").mkdir(parents=True)
    (runner.folder / "base").mkdir()
    done = runner.run(named("github-pull-request.yml", "preview", "from the base branch"))
    assert done.returncode == 0, done.stderr
    installed = ["install --require-hashes -r base/requirements/lock.txt", "install --no-deps -e base"]
    assert log.read_text().splitlines() == installed
    assert (runner.folder / "branch" / ".venv").resolve() == (runner.folder / "base" / ".venv").resolve()


#: Stands in for `gh`: run 42 is a scheduled one; 7 is not, and holds an artefact of the same name. Downloads that of run 42.
GH = """#!/bin/sh
echo "$@" >> @LOG@
case "$1 $2" in
"run list") case "$*" in *"--event schedule"*) printf '41\\n42\\n' ;; *) exit 1 ;; esac ;;
"api repos/acme/shop/actions/artifacts?name=tiercast-plan-1a2b&per_page=100") printf '7\\n42\\n' ;;
"run download") test "$3 $7" = "42 tiercast-plan-1a2b" && mkdir -p planned/.tiercast/prod && cd planned/.tiercast/prod &&
  echo '{"trusted": 1}' > demand.json && echo '{"id": "1a2b", "trusted": 1}' > plan.json ;;
esac
"""


@pytest.mark.parametrize(
    ("name", "job", "own", "place"),
    [("github-pull-request.yml", "preview", "branch/", "base/"), ("github-apply.yml", "bind", "", "")],
)
def test_plan_and_demand_come_from_the_scheduled_run_that_made_the_plan_and_not_from_the_branch(
    runner: Runner, name: str, job: str, own: str, place: str
) -> None:
    runner.stand_in("gh", GH)
    mine, target = (runner.folder / folder / ".tiercast" / "prod" for folder in (own, place))
    mine.mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    (mine / "plan.json").write_text('{"id": "1a2b", "forged": 1}')
    (mine / "demand.json").write_text('{"forged": 1}')
    runner.values = {"github.token": "t"}
    done = runner.run(named(name, job, "plan and demand of"))
    assert done.returncode == 0, done.stderr
    assert json.loads((target / "demand.json").read_text()) == {"trusted": 1}
    assert json.loads((target / "plan.json").read_text()) == {"id": "1a2b", "trusted": 1}


@pytest.mark.parametrize("plan", ["ffff", "../1a2b", "$(touch owned)"])
def test_a_plan_that_no_scheduled_run_made_ends_the_job(runner: Runner, plan: str) -> None:
    runner.stand_in("gh", GH)
    (runner.folder / ".tiercast" / "prod").mkdir(parents=True)
    (runner.folder / ".tiercast" / "prod" / "plan.json").write_text(json.dumps({"id": plan}))
    runner.values = {"github.token": "t"}
    done = runner.run(named("github-apply.yml", "bind", "plan and demand of"))
    assert done.returncode == 1
    assert f"no scheduled run made plan {plan}" in done.stdout
    assert not (runner.folder / "owned").exists()


def bound(runner: Runner, code: int) -> Path:
    """Run the step that binds; returns where tiercast noted its calls."""
    folder = runner.folder / ".tiercast" / "prod"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("plan\n")
    (folder / "demand.json").write_text("demand\n")
    log = tiercast(runner, ".", code)
    done = runner.run(named("github-apply.yml", "bind", "bind the plan"))
    assert (done.returncode == 0) is (code in (0, 2))
    return log


def test_the_bound_plan_is_applied_as_it_was_handed_over(runner: Runner) -> None:
    log = bound(runner, 2)
    plan = (runner.folder / "bound" / "plan.json").read_bytes()
    assert plan == b"plan\nbound\n", "what travels is the plan after the preview bound it"
    assert runner.outputs == {"code": "2", "digest": hashlib.sha256(plan).hexdigest()}
    assert MARKER in Path(runner.environment["GITHUB_STEP_SUMMARY"]).read_text()
    (runner.folder / ".venv" / "bin" / "tiercast").write_text(TIERCAST.format(log=log, marker="", code=0))
    runner.values = {"needs.bind.outputs.digest": runner.outputs["digest"]}
    done = runner.run(named("github-apply.yml", "apply", "apply the plan"))
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines()[-1] == "up --approved bound/plan.json"


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_a_plan_of_another_digest_is_not_applied(runner: Runner, digest: str) -> None:
    log = bound(runner, 2)
    before = log.read_text()
    runner.values = {"needs.bind.outputs.digest": digest}
    assert runner.run(named("github-apply.yml", "apply", "apply the plan")).returncode != 0
    assert log.read_text() == before


@pytest.mark.parametrize("code", [1, 3])
def test_what_cannot_be_previewed_or_is_refused_is_not_handed_to_the_apply_job(runner: Runner, code: int) -> None:
    bound(runner, code)
    assert workflow("github-apply.yml")["jobs"]["apply"]["if"] == "needs.bind.outputs.code == '2'"
    assert runner.outputs["code"] == str(code)


@pytest.mark.parametrize(("code", "passes"), [(0, True), (2, True), (1, False), (3, False)])
def test_a_scheduled_run_is_red_where_it_failed_or_was_refused(runner: Runner, code: int, passes: bool) -> None:
    log = tiercast(runner, ".", code)
    (runner.folder / ".tiercast" / "prod").mkdir(parents=True)
    (runner.folder / ".tiercast" / "prod" / "plan.json").write_text('{"id": "1a2b"}')
    done = runner.run(named("github-reconcile.yml", "reconcile", "reconcile"))
    assert (done.returncode == 0) is passes
    assert runner.outputs == {"plan": "1a2b"}
    assert log.read_text() == "reconcile --mode apply-within-bounds --bounds approved.yaml --run-timeout 10m\n"


#: Stands in for `glab`: the scheduled pipelines 41 and 42, of which the second made the plan.
GLAB = """#!/bin/sh
echo "$@" >> @LOG@
case "$*" in
*"pipelines?source=schedule&ref=main"*) echo '[{"id": 41}, {"id": 42}]' ;;
*/pipelines/41/jobs) echo '[{"name": "other", "id": 1}, {"name": "capacity-reconcile", "id": 410}]' ;;
*/pipelines/42/jobs) echo '[{"name": "capacity-reconcile", "id": 420}]' ;;
*/jobs/410/*/plan.json) echo '{"id": "0000"}' ;;
*/jobs/420/*/plan.json) echo '{"id": "1a2b", "trusted": 1}' ;;
*/jobs/420/*/demand.json) echo '{"trusted": 1}' ;;
*) exit 1 ;;
esac
"""

#: A virtualenv without pip's network and with a tiercast that does what the stand-in above does.
VENV = """#!/bin/sh
mkdir -p "$3/bin"
ln -sf /bin/true "$3/bin/pip"
cat > "$3/bin/tiercast" <<'END'
#!/bin/sh
echo "$@ pack=$PULUMI_OPTION_POLICY_PACK" >> @LOG@
echo "<!-- tiercast:tiercast/prod -->"
exit ${CODE:-2}
END
chmod +x "$3/bin/tiercast"
"""


def gitlab(runner: Runner, job: str, **variables: str) -> tuple[int, str]:
    """Run a job's script; its exit code, and how tiercast was called."""
    runner.stand_in("glab", GLAB)
    log = runner.stand_in("python", VENV)
    log.unlink(missing_ok=True)
    given = {
        "CI_PROJECT_ID": "5",
        "CI_DEFAULT_BRANCH": "main",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        **variables,
    }
    done = runner.script(jobs_of_gitlab()[job]["script"], given)
    return done.returncode, log.read_text() if log.exists() else done.stderr


def repository(runner: Runner) -> None:
    """A repository whose origin is itself, with a plan."""
    (runner.folder / ".tiercast" / "prod").mkdir(parents=True)
    (runner.folder / ".tiercast" / "prod" / "plan.json").write_text('{"id": "1a2b", "forged": 1}')
    who = "-c user.name=a -c user.email=a@example.org"
    done = runner.shell(
        f"git init -q -b main && git add . && git {who} commit -qm one && git remote add origin .",
        runner.environment,
        runner.folder,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("code", "passes"), [("0", True), ("2", True), ("3", False)])
def test_gitlab_previews_a_merge_request_with_the_pack_of_the_target(runner: Runner, code: str, passes: bool) -> None:
    repository(runner)
    found, calls = gitlab(runner, "capacity-preview", CODE=code)
    assert (found == 0) is passes
    assert calls == f"preview --format markdown pack={runner.folder}/base/policies\n"
    demand = runner.folder / "base" / ".tiercast" / "prod" / "demand.json"
    assert json.loads(demand.read_text()) == {"trusted": 1}
    assert json.loads(demand.with_name("plan.json").read_text()) == {"id": "1a2b", "trusted": 1}


def test_gitlab_previews_no_plan_that_no_scheduled_run_made(runner: Runner) -> None:
    repository(runner)
    (runner.folder / ".tiercast" / "prod" / "plan.json").write_text('{"id": "ffff"}')
    code, calls = gitlab(runner, "capacity-preview")
    assert code == 1
    assert "preview" not in calls


def test_gitlab_hands_the_bound_plan_on_with_its_digest_and_applies_only_that(runner: Runner) -> None:
    repository(runner)
    assert gitlab(runner, "capacity-bind")[0] == 0
    name, _, digest = (runner.folder / "bound.env").read_text().strip().partition("=")
    assert name == "PLAN_DIGEST"
    assert digest == hashlib.sha256((runner.folder / "bound" / "plan.json").read_bytes()).hexdigest()
    code, calls = gitlab(runner, "capacity-apply", PLAN_DIGEST="0" * 64)
    assert code != 0
    assert "up --approved" not in calls
    code, calls = gitlab(runner, "capacity-apply", PLAN_DIGEST=digest, CODE="0")
    assert code == 0
    assert calls == "up --approved bound/plan.json pack=\n"


def test_gitlab_reconciles_on_a_schedule(runner: Runner) -> None:
    assert [gitlab(runner, "capacity-reconcile", CODE=code)[0] for code in ("0", "2", "3")] == [0, 0, 3]
