"""The project's engine: which policy pack and configuration every run of one process is judged by."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.project import Project, find_project
from reconciler.errors import InputError, Unavailable, UsageError

#: Stands in for the CLI: notes the policy variables that it was started with, and knows every stack.
CLI = """\
#!/bin/sh
[ "$1" = version ] && echo v3.259.0
echo "$PULUMI_OPTION_POLICY_PACK|$PULUMI_OPTION_POLICY_PACK_CONFIG" >> {log}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    pack = tmp_path / "policies"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "config.lab.json").write_text("{}")
    monkeypatch.delenv("PULUMI_OPTION_POLICY_PACK", raising=False)
    monkeypatch.delenv("PULUMI_OPTION_POLICY_PACK_CONFIG", raising=False)
    return find_project(tmp_path, stack="lab", fleet=None)


def test_the_stacks_own_configuration_of_the_pack_is_taken_where_none_is_named(project: Project) -> None:
    assert project.engine().policy_config == project.root / "policies" / "config.lab.json"


def test_a_named_configuration_holds_for_every_engine_of_a_process(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict, log, cli = tmp_path / "strict.json", tmp_path / "log", tmp_path / "bin" / "pulumi"
    strict.write_text('{"all": "mandatory"}')
    cli.parent.mkdir()
    cli.write_text(CLI.format(log=log))
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cli.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK", "policies")
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK_CONFIG", str(strict))

    for _ in range(2):
        engine = project.engine()
        engine.ensure_stack()
        assert engine.policy_config == strict

    # The CLI would add what the variables name to the flags: every stack command is started without them.
    assert set(log.read_text().split()) == {f"policies|{strict}", "|"}
    assert os.environ["PULUMI_OPTION_POLICY_PACK_CONFIG"] == str(strict)


def test_a_named_configuration_that_is_not_there_is_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK_CONFIG", str(tmp_path / "gone.json"))
    with pytest.raises(InputError, match=r"gone.json: PULUMI_OPTION_POLICY_PACK_CONFIG names it"):
        project.engine()


def test_the_pack_that_is_named_judges_with_its_own_configuration(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK", str(project.root / "policies"))
    assert project.engine().policy_pack == project.root / "policies"
    base = tmp_path / "base" / "policies"
    base.mkdir(parents=True)
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK", str(base))
    with pytest.raises(InputError, match=r"PULUMI_OPTION_POLICY_PACK names it, but it has no PulumiPolicy\.yaml"):
        project.engine()
    (base / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (base / "config.lab.json").write_text("{}")
    engine = project.engine()
    assert (engine.policy_pack, engine.policy_config) == (base, base / "config.lab.json")


def test_several_packs_are_refused_rather_than_all_but_one_ignored(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_OPTION_POLICY_PACK", f"policies,{tmp_path / 'company'}")
    with pytest.raises(InputError, match="names 2 packs, but tiercast judges by one"):
        project.engine()


@pytest.mark.parametrize("name", ["../x", "a/../x", "..", "a b", "x" * 101, "lab/", "/lab", "a/b/c/d", "läb", "lab\n"])
def test_what_is_no_name_of_a_stack_is_refused_before_anything_is_read_or_written(project: Project, name: str) -> None:
    with pytest.raises(UsageError, match="is no stack's name: expected at most 100 letters"):
        find_project(project.root, stack=name, fleet=None)


def test_a_stack_may_be_named_with_its_organisation_and_project(project: Project) -> None:
    full = find_project(project.root, stack="acme/shop/lab", fleet=None)
    assert (full.stack_file, full.work) == (project.stack_file, project.work)
    assert full.engine().stack == "acme/shop/lab"
    assert full.engine().policy_config == project.engine().policy_config


def test_a_preview_needs_pack_and_configuration_unless_no_policies_is_typed(project: Project) -> None:
    assert project.judging_engine(no_policies=False).policy_pack == project.root / "policies"
    config = project.root / "policies" / "config.lab.json"
    config.unlink()
    with pytest.raises(InputError, match=r"config\.lab\.json: the policy pack has no configuration for this stack"):
        project.judging_engine(no_policies=False)
    (project.root / "policies" / "config.json").write_text("{}")
    assert project.judging_engine(no_policies=False).policy_config == project.root / "policies" / "config.json"
    (project.root / "policies" / "PulumiPolicy.yaml").unlink()
    with pytest.raises(InputError, match=r"there is no policy pack: expected PulumiPolicy\.yaml in this folder"):
        project.judging_engine(no_policies=False)
    without = project.judging_engine(no_policies=True)
    assert (without.policy_pack, without.policy_config) == (None, None)


def test_a_fleet_file_on_a_lost_mount_may_come_back(project: Project, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    lost = replace(project, fleet_path=mount / "fleet.yaml")
    for _ in range(2):  # no folder, then a mount point without its mount
        with pytest.raises(Unavailable, match=r"fleet\.yaml: no such file; its folder is missing or empty") as caught:
            lost.read_fleet()
        assert caught.value.retryable
        mount.mkdir(exist_ok=True)
    (mount / "other.yaml").write_text("")
    with pytest.raises(InputError, match="no such file; expected a fleet file"):
        lost.read_fleet()
