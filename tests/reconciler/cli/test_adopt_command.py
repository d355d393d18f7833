"""An adoption that can't be carried out leaves the stack file as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli import adopt, main
from reconciler.errors import InputError
from reconciler.observe.preview import Preview, PreviewStep
from reconciler.observe.world import LiveDomain
from reconciler.plan.file import PlanFile
from reconciler.report.summary import Summary
from stacks.contract import Hypervisor

FLEET = """
step: 1h
history: {paths: [missing.csv]}
qos: {gold: {latency: 2s, tiers: [hot]}}
applications: [{match: "*", qos: gold}]
tiers:
  hot:
    hypervisors: [{name: hv, uri: "qemu+ssh://hv/system", cores: 4, memory_mib: 4096}]
    flavours: [{name: small, vcpu: 1, memory_mib: 512}]
    boot: {kernel: /boot/k, initrd: /boot/i}
"""
UUID = "11111111-2222-3333-4444-555555555555"


def summary(*steps: tuple[str, str, tuple[str, ...]]) -> Summary:
    kind = "libvirt:index/domain:Domain"
    found = [
        PreviewStep(urn=f"urn:pulumi:a::b::{kind}::{name}", op=op, type=kind, keys=keys) for op, name, keys in steps
    ]
    return Summary(plan=PlanFile.model_construct(id="p"), preview=Preview(steps=tuple(found), violations=()))


def test_a_preview_that_imports_and_updates_what_is_adopted_is_accepted() -> None:
    adopt._refuse_replacements(
        summary(("import", "hot-hv-001", ()), ("update", "hot-hv-001", ("description",)), ("delete", "hot-hv-002", ())),
        ["hot-hv-001"],
    )


@pytest.mark.parametrize("op", ["replace", "import-replacement", "create", "delete"])
def test_a_preview_that_replaces_what_is_adopted_is_refused_with_the_properties(op: str) -> None:
    with pytest.raises(InputError, match=rf"import and update it: hot-hv-001: {op} \(memory, name\)"):
        adopt._refuse_replacements(summary((op, "hot-hv-001", ("memory", "name"))), ["hot-hv-001"])


def test_an_adoption_without_a_plan_leaves_the_stack_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    stack_file = tmp_path / "Pulumi.dev.yaml"
    stack_file.write_text("# ours\nconfig:\n  other:key: 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")

    def found(host: Hypervisor, name: str) -> LiveDomain:
        return LiveDomain(host=host.name, name=name, uuid=UUID, state="running", vcpu=1, memory_mib=512)

    monkeypatch.setattr(adopt, "find_domain", found)
    with pytest.raises(SystemExit) as ended:
        main(["adopt", "--machine", "hot-hv-001=web1"])
    assert ended.value.code == 1
    assert "missing.csv" in capsys.readouterr().err
    assert stack_file.read_text() == "# ours\nconfig:\n  other:key: 1\n"


@pytest.mark.parametrize("words", [("adopt",), ("adopt", "--group", "cold-burst")])
def test_an_adoption_that_names_nothing_is_a_mistake_of_the_command_line(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 64
