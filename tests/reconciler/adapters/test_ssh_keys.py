"""Signatures by real SSH keys: what was changed, expired or signed by others is refused; no passphrase is asked for."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from reconciler.adapters.ssh_keys import sign, signer
from reconciler.errors import InputError, SignatureRefused
from reconciler.plan.signature import key_of

DATA = b'{"id": "a"}'


def make_key(folder: Path, name: str, *, passphrase: str = "") -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path], check=True)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "ann")


def allow(folder: Path, key: Path, options: str = 'namespaces="test"', who: str = "ann@example.com") -> Path:
    path = folder / "allowed_signers"
    path.write_text(f"{who} {options} {key.with_suffix('.pub').read_text()}")
    return path


def test_a_signature_names_the_principal_of_its_key(tmp_path: Path, key: Path) -> None:
    signature = sign(DATA, key, namespace="test")
    assert signer(DATA, signature, allow(tmp_path, key), namespace="test") == "ann@example.com"
    several = allow(tmp_path, key, who="ann@example.com,ops@example.com")
    assert signer(DATA, signature, several, namespace="test") == "ann@example.com"


def test_the_fingerprint_of_a_signature_is_that_of_the_key(key: Path) -> None:
    listed = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True).stdout
    assert key_of(sign(DATA, key, namespace="test")) == listed.split()[1]


@pytest.mark.parametrize(
    "damaged", ["", "no signature", "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----"]
)
def test_what_is_no_signature_has_no_key_and_is_refused(tmp_path: Path, key: Path, damaged: str) -> None:
    assert key_of(damaged) == ""
    with pytest.raises(SignatureRefused, match="damaged"):
        signer(DATA, damaged, allow(tmp_path, key), namespace="test")


def test_changed_data_is_refused(tmp_path: Path, key: Path) -> None:
    signature = sign(DATA, key, namespace="test")
    with pytest.raises(SignatureRefused, match="was changed after it was signed"):
        signer(DATA + b" ", signature, allow(tmp_path, key), namespace="test")


def test_a_signature_that_was_made_for_something_else_is_refused(tmp_path: Path, key: Path) -> None:
    with pytest.raises(SignatureRefused, match="was changed after it was signed, or"):
        signer(DATA, sign(DATA, key, namespace="git"), allow(tmp_path, key), namespace="test")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('namespaces="git"', "is not one that .*allowed_signers allows to sign plans"),
        ('valid-before="20200101"', "is not valid at this time"),
        ('valid-after="20990101"', "is not valid at this time"),
    ],
)
def test_a_key_that_may_not_sign_now_is_refused(tmp_path: Path, key: Path, options: str, words: str) -> None:
    with pytest.raises(SignatureRefused, match=words):
        signer(DATA, sign(DATA, key, namespace="test"), allow(tmp_path, key, options), namespace="test")


def test_an_unknown_key_is_refused(tmp_path: Path, key: Path) -> None:
    allowed = allow(tmp_path, make_key(tmp_path, "bob"))
    with pytest.raises(SignatureRefused, match="is not one that"):
        signer(DATA, sign(DATA, key, namespace="test"), allowed, namespace="test")


def test_a_key_with_a_passphrase_needs_an_agent_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path, "locked", passphrase="correct horse")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    asked = tmp_path / "askpass"
    asked.write_text("#!/bin/sh\necho correct horse\n")
    asked.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(
        InputError, match=r"locked: the key is encrypted and no agent holds it\. Run `ssh-add .*locked`"
    ):
        sign(DATA, key, namespace="test")


def test_an_agent_signs_by_the_public_half(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "agent"
    started = subprocess.run(["ssh-agent", "-a", socket], capture_output=True, text=True, check=True).stdout
    pid = int(re.findall(r"SSH_AGENT_PID=(\d+)", started)[0])
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", key], check=True, env=os.environ)
        allowed = allow(tmp_path, key)
        key.unlink()
        assert signer(DATA, sign(DATA, key.with_suffix(".pub"), namespace="test"), allowed, namespace="test")
    finally:
        os.kill(pid, 15)


def test_a_key_that_is_missing_or_no_key_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected an SSH key"):
        sign(DATA, tmp_path / "none", namespace="test")
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(InputError, match="text: ssh-keygen cannot sign with it"):
        sign(DATA, tmp_path / "text", namespace="test")


def test_without_ssh_keygen_the_error_says_what_to_install(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"ssh-keygen: the program is not on PATH; .* Install OpenSSH"):
        sign(DATA, key, namespace="test")


def test_nothing_of_the_private_key_its_comment_or_its_place_is_in_a_signature_or_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "CANARY-place"
    folder.mkdir()
    key, locked = make_key(folder, "CANARY-comment"), make_key(tmp_path, "locked", passphrase="CANARY-passphrase")
    signature = sign(DATA, key, namespace="test")
    with pytest.raises(InputError) as caught:
        sign(DATA, locked, namespace="test")
    secret = [line for path in (key, locked) for line in path.read_text().splitlines()[1:-1]]
    assert [one for one in (*secret, "CANARY") if one in signature + str(caught.value)] == []
