"""The libvirt plugin's calls against libvirt's in-process test driver, and its words for a hypervisor that isn't there."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lab.plugins.errors import PluginError, UnreachableError
from lab.plugins.libvirt.domain import Domains
from lab.plugins.libvirt.domain_xml import domain_xml
from lab.plugins.libvirt.hypervisor import LibvirtConnection, shown
from lab.plugins.libvirt.xslt import overlay
from lab.plugins.resource import Change
from lab.values import OVERLAY

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


def described(host: LibvirtConnection, **inputs: Any) -> ET.Element:
    """The XML of a new domain before the overlay."""
    return ET.fromstring(domain_xml(host, {"name": "plain", **inputs}))


#: What a domain of upstream 0.8.1 has if the inputs name only it: path → text and attributes. The test driver runs i686.
DEFAULT_DOMAIN = {
    "name": ("plain", {}),
    "memory": ("512", {"unit": "MiB"}),
    "vcpu": ("1", {"placement": "static"}),
    "os/type": ("hvm", {"arch": "i686"}),
    "features/pae": (None, {}),
    "features/acpi": (None, {}),
    "features/apic": (None, {}),
    "cpu": (None, {}),
    "devices/emulator": ("/usr/bin/test-hv", {}),
    "devices/channel": (None, {"type": "unix"}),
    "devices/channel/target": (None, {"type": "virtio", "name": "org.qemu.guest_agent.0"}),
    "devices/graphics": (None, {"type": "spice", "autoport": "yes"}),
    "devices/rng": (None, {"model": "virtio"}),
    "devices/rng/backend": ("/dev/urandom", {"model": "random"}),
}


def test_the_default_domain_has_every_part_of_upstreams_and_no_other(domains: Domains) -> None:
    found = described(domains.host)
    parts: dict[str, tuple[str | None, dict[str, str]]] = {}

    def walk(element: ET.Element, path: str) -> None:
        for child in element:
            name = f"{path}{child.tag}"
            text = child.text if (child.text or "").strip() else None
            if text or child.attrib or not len(child):
                parts[name] = (text, dict(child.attrib))
            walk(child, f"{name}/")

    walk(found, "")
    assert parts == DEFAULT_DOMAIN
    assert found.attrib == {"type": "kvm"}


def test_the_random_number_device_follows_upstreams_variable(domains: Domains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_LIBVIRT_RNG_DEV", "/dev/random")
    assert described(domains.host).findtext("devices/rng/backend") == "/dev/random"


def test_a_display_in_the_inputs_replaces_the_default_one(domains: Domains) -> None:
    (display,) = described(domains.host, graphics={"type": "vnc", "autoport": False}).findall("devices/graphics")
    assert (display.get("type"), display.get("autoport")) == ("vnc", "no")
    assert described(domains.host, graphics={"type": "none"}).find("devices/graphics") is None


@pytest.mark.parametrize("arch", ["aarch64", "s390x", "ppc64", "ppc64le"])
def test_architectures_without_spice_get_no_display(domains: Domains, arch: str) -> None:
    found = described(domains.host, arch=arch)
    assert found.find("devices/graphics") is None
    assert (found.find("features") is None) == (arch == "s390x")


def test_the_labs_overlay_removes_display_and_video_and_keeps_the_rest(domains: Domains) -> None:
    plain = described(domains.host, video={"type": "vga"})
    changed = ET.fromstring(overlay(ET.tostring(plain, encoding="unicode"), {"xml": {"xslt": OVERLAY}}))
    before = {child.tag for child in plain.findall("devices/*")}
    assert before - {child.tag for child in changed.findall("devices/*")} == {"graphics", "video"}
