"""The environment that the tests run in, whatever shell they are started from.

Standard library only, and called by `conftest.py` before anything of ours is imported: modules that read the environment when they
are imported, and processes that tests start, see the cleaned one as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Variables that choose a stack, a fleet, a pack, an account, a hypervisor or a look of the terminal: the caller's own.
FOREIGN = (
    "PULUMI_", "TIERCAST_", "AWS_", "LIBVIRT_", "TF_LIBVIRT_", "VIRSH_", "MOTO_", "KERAS_", "COLUMNS", "LINES", "NO_COLOR",
    "FORCE_COLOR", "CLICOLOR", "TTY_", "PYTEST_ADDOPTS", "PYTHONWARNINGS", "PYTHONPATH",
)  # fmt: skip
#: What every test needs: no request leaves the machine, be it to a proxy, to an account's files or to its metadata.
OURS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
#: Where programs are looked for: Debian's folders, then where the installers of Go and Pulumi put theirs.
SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/go/bin")
OF_USER = (".pulumi/bin", "go/bin")


def isolated(given: Mapping[str, str]) -> dict[str, str]:
    """`given` without what chooses for the caller, and with a PATH on which the tests find their programs by themselves.

    The virtualenv's programs come first; no folder of the caller's PATH is kept, since any program in it may be another
    one of the same name. The rest stays: the home and cache folders, for instance, hold the engine that was built.
    """
    kept = {name: value for name, value in given.items() if not name.startswith(FOREIGN)}
    home = Path(given.get("HOME") or Path.home())
    if str(ROOT) in given.get("PYTHONPATH", "").split(os.pathsep):
        kept["PYTHONPATH"] = str(ROOT)  # how a checkout is run with the virtualenv of another one
    folders = [str(Path(sys.prefix) / "bin"), *SYSTEM, *(str(home / one) for one in OF_USER)]
    return {**kept, **OURS, "PATH": os.pathsep.join(folders)}


def isolate() -> None:
    """Make this process's environment, and so that of the processes it starts, the isolated one."""
    wanted = isolated(os.environ)
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)
