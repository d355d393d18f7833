"""The libvirt plugin's calls against libvirt's in-process test driver, and its words for a hypervisor that isn't there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.plugins.errors import PluginError, UnreachableError
from lab.plugins.libvirt.domain import Domains
from lab.plugins.libvirt.hypervisor import LibvirtConnection, shown
from lab.plugins.libvirt.xslt import overlay
from lab.plugins.resource import Change

WANTED = {"name": "hot-a-001", "type": "test", "arch": "i686", "memory": 64, "vcpu": 1, "running": True}


@pytest.fixture
def domains() -> Iterator[Domains]:
    host = LibvirtConnection("test:///default")
    yield Domains(host=host)
    host.connection().close()


def test_a_domain_is_made_stopped_by_hand_seen_and_started_by_an_update(domains: Domains) -> None:
    made = domains.create(WANTED)
    assert made.outputs["running"] is True
    domains.host.connection().lookupByName("hot-a-001").destroy()
    found = domains.read(made.id, made.outputs)
    assert found is not None
    assert (found["running"], found["memory"]) == (False, 64)
    updated = domains.update(made.id, Change(state=found, inputs=WANTED, changed=frozenset({"running"})))
    assert updated["running"] is True
    again = domains.read(made.id, updated)
    assert again is not None
    assert again["running"] is True


def test_a_domain_that_is_gone_reads_as_gone_and_deletes_in_peace(domains: Domains) -> None:
    made = domains.create(WANTED)
    domains.delete(made.id, made.outputs)
    assert domains.read(made.id, made.outputs) is None
    domains.delete(made.id, made.outputs)


def test_a_name_that_is_taken_is_refused_in_libvirts_words(domains: Domains) -> None:
    domains.create(WANTED)
    with pytest.raises(PluginError, match=r"hot-a-001"):
        domains.create(WANTED)


def test_a_hypervisor_that_is_not_there_is_named_without_its_secrets() -> None:
    host = LibvirtConnection("qemu+unix:///system?socket=/nonexistent/sock")
    with pytest.raises(UnreachableError, match=r"failed to connect to the hypervisor qemu\+unix:///system: "):
        host.connection()
    assert shown("qemu+ssh://user:word@host/system?keyfile=k") == "qemu+ssh://host/system"


def test_a_hypervisor_that_does_not_answer_is_given_up_on() -> None:

    host = replace(
        LibvirtConnection("qemu+tcp://host/system"), open=lambda _uri: threading.Event().wait(5), seconds=0.05
    )
    with pytest.raises(UnreachableError, match="did not answer within"):
        host.connection()


def test_a_broken_stylesheet_fails_in_one_sentence() -> None:
    with pytest.raises(PluginError, match="error applying XSLT stylesheet"):
        overlay("<domain/>", {"xml": {"xslt": "<broken"}})
    assert overlay("<domain/>", {}) == "<domain/>"
