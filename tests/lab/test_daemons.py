"""A lab of one's own: two hypervisors that run machines which answer HTTP, and nothing left when it is taken down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import hypervisors, image, paths, ports, processes, stop, up
from lab.errors import LabError, PortBusy
from lab.model import Lab, LabHypervisor
from lab.plugins.errors import PluginError
from lab.plugins.libvirt.domain import Domains
from lab.plugins.libvirt.hypervisor import LibvirtConnection
from lab.session import running
from lab.values import CMDLINE, OVERLAY

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab beside the checkout's own, without a project."""
    folder = tmp_path_factory.mktemp("own")
    with running(folder, directory=folder / "state", keep=False) as lab:
        yield lab


def domain(lab: Lab, name: str, port: int) -> str:
    """XML of a machine as the stack's program asks for it, with the lab's overlay applied by xsltproc."""
    arguments = " ".join(" ".join(f"{k}={v}" if k != "_" else v for k, v in entry.items()) for entry in CMDLINE)
    plain = (
        f"<domain type='{lab.domain_type}'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>"
        f"<os><type arch='x86_64' machine='pc'>hvm</type><kernel>{lab.kernel}</kernel><initrd>{lab.initrd}</initrd>"
        f"<cmdline>{arguments}</cmdline></os><features><acpi/></features></domain>"
    )
    overlay = lab.directory / "overlay.xslt"
    overlay.write_text(OVERLAY.replace("{name}", name).replace("{port}", str(port)), encoding="utf-8")
    done = subprocess.run(["xsltproc", overlay, "-"], input=plain, capture_output=True, text=True, check=True)
    return done.stdout


def boot(lab: Lab, hypervisor: LabHypervisor, name: str, number: int) -> str:
    """Start a machine and return its page once it answers."""
    port = hypervisor.base_port + number
    with hypervisors.connection(hypervisor) as opened:
        opened.createXML(domain(lab, name, port))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{name} did not answer on port {port}")


def test_a_machine_on_each_hypervisor_answers_with_its_own_name(own: Lab) -> None:
    first, second = own.hypervisors
    assert boot(own, first, "hot-hv-a-001", 1) == "hello from hot-hv-a-001\n"
    assert boot(own, second, "hot-hv-b-001", 1) == "hello from hot-hv-b-001\n"
    assert hypervisors.machines(first) == {"hot-hv-a-001": True}
    assert hypervisors.machines(second) == {"hot-hv-b-001": True}


def test_a_repeated_up_leaves_everything_running_as_it_is(own: Lab) -> None:
    before = processes.read_records(own.records)
    assert up.up(own.root, directory=own.directory) == own
    assert processes.read_records(own.records) == before
    assert up.status(own.directory).up


def test_a_hypervisor_that_went_away_is_seen_and_brought_back_with_its_machines(own: Lab) -> None:
    lost = own.hypervisor("hv-b")
    assert hypervisors.stop(own, lost)
    assert up.status(own.directory).parts == {"hv-a": True, "hv-b": False, "cloud": True}
    up.up(own.root, directory=own.directory)
    assert hypervisors.machines(lost) == {"hot-hv-b-001": True}


def test_every_hypervisor_has_a_storage_pool_in_the_lab(own: Lab) -> None:
    for hypervisor in own.hypervisors:
        with hypervisors.connection(hypervisor) as opened:
            pool = opened.storagePoolLookupByName("default")
            assert str(hypervisor.images) in pool.XMLDesc()
            assert pool.isActive()


def test_a_domain_that_does_not_start_stays_defined_and_refuses_the_next_of_its_name(own: Lab) -> None:
    # As upstream: two domains that want the same port of the machine; the second is defined and never runs.
    hypervisor = own.hypervisor("hv-a")
    domains = Domains(host=LibvirtConnection(hypervisor.uri))
    kernel = {"kernel": str(own.kernel), "initrd": str(own.initrd), "type": own.domain_type, "machine": "pc"}
    taken = OVERLAY.replace("{port}", str(hypervisor.base_port + 1))
    wanted = {**kernel, "name": "hot-hv-a-009", "memory": 128, "xml": {"xslt": taken}}
    with pytest.raises(PluginError, match="error creating libvirt domain: "):
        domains.create(wanted)
    assert hypervisors.machines(hypervisor) == {"hot-hv-a-001": True, "hot-hv-a-009": False}
    with pytest.raises(PluginError, match=r"error defining libvirt domain: .*'hot-hv-a-009' already exists with uuid"):
        domains.create(wanted)
    with hypervisors.connection(hypervisor) as opened:
        opened.lookupByName("hot-hv-a-009").undefine()


def test_other_ports_need_a_new_lab(own: Lab) -> None:
    with pytest.raises(LabError, match="already uses the ports from"):
        up.up(own.root, directory=own.directory, base_port=own.base_port + 100)


def test_sockets_are_short_and_ports_stay_below_those_that_linux_hands_out(own: Lab) -> None:
    assert all(len(str(h.socket)) < 108 for h in own.hypervisors)
    assert own.hypervisors[-1].base_port + own.hypervisors[-1].guests < 32768 + ports.BLOCK


def test_taking_it_down_leaves_no_machine_no_process_no_port_and_no_state(tmp_path: Path) -> None:
    directory = tmp_path / ("a-rather-long-name-" * 8) / "state"
    with running(tmp_path, directory=directory, keep=False) as lab:
        boot(lab, lab.hypervisors[0], "hot-hv-a-001", 1)
        machines = stop.machines(lab.run_directory)
        daemons = processes.read_records(lab.records)
        assert len(machines) == 1
        assert len(daemons) == 3
    assert not any(processes.is_alive(record) for record in [*machines, *daemons])
    assert not lab.run_directory.exists()
    assert not directory.exists()
    assert ports.is_free(lab.port("cloud"))
    assert ports.is_free(lab.hypervisors[0].base_port + 1)


def test_clean_works_with_nothing_but_the_standard_library_after_the_daemons_were_killed(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with running(tmp_path, directory=directory) as lab:
        boot(lab, lab.hypervisors[0], "hot-hv-a-001", 1)
        machine = stop.machines(lab.run_directory)[0]
        for record in processes.read_records(lab.records):
            os.kill(record.pid, 9)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CLEAN, str(paths.repository_root()), str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hot-hv-a-001" in done.stdout
    assert not processes.is_alive(machine)
    assert not lab.run_directory.exists()
    assert not directory.exists()


# -I and -S: no site-packages, as where the virtualenv is missing or half-made.
CLEAN = """
import sys
root, directory = sys.argv[1:]
sys.path.insert(0, root)
sys.argv = ["stop", "--state", "--directory", directory]
from lab.stop import main
main()
"""


def test_a_busy_cloud_port_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    lab = up.prepare(tmp_path, directory=tmp_path / "state")
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", lab.port("cloud")))
        other.listen()
        with pytest.raises(PortBusy, match=rf"{lab.port('cloud')}.*--base-port"):
            up.up(tmp_path, directory=tmp_path / "state")
    up.down(tmp_path / "state")


def test_the_image_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    kernel = image.find_kernel()
    first, second = image.build(kernel, tmp_path / "one"), image.build(kernel, tmp_path / "two")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("seconds", [0.8, 1.6])
def test_an_interrupt_while_it_starts_followed_by_clean_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    directory = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), str(directory)],
        cwd=paths.repository_root(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    records = processes.read_records(paths.records_directory(directory))
    up.down(directory)
    assert not any(processes.is_alive(record) for record in records)
    assert not paths.run_directory(directory).exists()
    assert not directory.exists()


START = """
import signal, sys
from pathlib import Path
# A shell's background job has SIGINT ignored; a terminal's has not.
signal.signal(signal.SIGINT, signal.default_int_handler)
from lab import up
up.up(Path(sys.argv[1]), directory=Path(sys.argv[2]))
"""
