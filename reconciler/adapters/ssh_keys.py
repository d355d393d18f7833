"""Signatures by SSH keys, through `ssh-keygen -Y` of OpenSSH, as git makes and checks them.

A key's passphrase is never asked for: scheduled runs have nobody to type it. A key with a passphrase works once an agent
holds it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from reconciler.adapters.files import read_text
from reconciler.errors import InputError, SignatureRefused, Unavailable

#: Seconds that ssh-keygen may take. A hardware key waits for a touch.
_SECONDS = 60


def sign(data: bytes, key: Path, *, namespace: str) -> str:
    """The armoured signature of `data` by the private key in a file, or by the agent's key whose public half it is.

    Raises:
        InputError: the key is missing, encrypted without an agent, or not usable; or there is no `ssh-keygen`.
        Unavailable: the agent or the hardware key did not answer.
    """
    read_text(key, "an SSH key (`ssh-keygen -t ed25519` makes one)")
    done = _ssh_keygen("sign", "-n", namespace, "-f", str(key), data=data)
    if done.returncode == 0:
        return done.stdout
    if "passphrase" in done.stderr:
        raise InputError(str(key), "the key is encrypted and no agent holds it.", f"Run `ssh-add {key}`.")
    last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    raise InputError(
        str(key), f"ssh-keygen cannot sign with it ({last}).", "Name a private SSH key, or the .pub of an agent's key."
    )


def signer(data: bytes, signature: str, allowed: Path, *, namespace: str) -> str:
    """Who signed `data`: the principal that a file of allowed signers (`man ssh-keygen`) has for the key.

    Raises:
        SignatureRefused: the data or the signature was changed, or the file doesn't allow the key now and for `namespace`.
        InputError: the file cannot be read, or there is no `ssh-keygen`.
    """
    listed = read_text(allowed, "a file of allowed signers (lines such as `ann@example.com ssh-ed25519 AAAA…`)")
    with tempfile.TemporaryDirectory(prefix="tiercast-signature-") as name:
        # Both files are read more than once below: copies can't change in between.
        held, signers = Path(name) / "signature", Path(name) / "allowed_signers"
        held.write_text(signature, encoding="utf-8")
        signers.write_text(listed, encoding="utf-8")
        given = ("-n", namespace, "-s", str(held))
        if _ssh_keygen("check-novalidate", *given, data=data).returncode:
            raise SignatureRefused("The plan was changed after it was signed, or its signature is damaged.")
        found = _ssh_keygen("find-principals", "-s", str(held), "-f", str(signers), data=b"")
        for principal in found.stdout.splitlines():
            if not _ssh_keygen("verify", *given, "-f", str(signers), "-I", principal, data=data).returncode:
                return principal
    if "expired" in found.stderr or "not yet valid" in found.stderr:
        raise SignatureRefused(f"The key of the plan's signature is not valid at this time by {allowed}.")
    raise SignatureRefused(f"The key of the plan's signature is not one that {allowed} allows to sign plans.")


def _ssh_keygen(action: str, *words: str, data: bytes) -> subprocess.CompletedProcess[str]:
    """Run `ssh-keygen -Y`. In a session of its own and without askpass it can't ask anybody for a passphrase."""
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    environment.pop("SSH_ASKPASS", None)
    try:
        done = subprocess.run(
            ["ssh-keygen", "-Y", action, *words],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise InputError(
            "ssh-keygen", "the program is not on PATH; signatures need it.", "Install OpenSSH 8.9 or later."
        ) from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"ssh-keygen did not answer within {_SECONDS} s.") from None
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
