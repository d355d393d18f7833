"""What a signature of an approval covers, and which key made it. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib

from reconciler.plan.file import PlanFile
from stacks.contract import canonical

#: Namespace of the signatures: one that was made for another purpose does not count.
NAMESPACE = "tiercast-plan"

#: First bytes of an SSH signature, before its version (PROTOCOL.sshsig of OpenSSH).
_MAGIC = b"SSHSIG"


def signed_bytes(plan: PlanFile) -> bytes:
    """The bytes that are signed: the whole plan with its binding, as canonical JSON, without the signature."""
    return canonical(plan.model_dump(mode="json", exclude={"signature"})).encode()


def key_of(signature: str) -> str:
    """Fingerprint (`SHA256:…`) of the key in an armoured SSH signature; "" where there is none.

    It says which key claims to have signed. Whether it did, and whose it is, only `ssh_keys.signer` knows.
    """
    body = "".join(line for line in signature.splitlines() if not line.startswith("-----"))
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return ""
    start = len(_MAGIC) + 4
    key = blob[start + 4 : start + 4 + int.from_bytes(blob[start : start + 4], "big")]
    if not blob.startswith(_MAGIC) or not key:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def signed_line(plan: PlanFile) -> str:
    """For people, where nobody has checked the signature: `unsigned`, or the key that claims to have signed."""
    if not plan.signature:
        return "unsigned"
    return f"signed with key {key_of(plan.signature) or 'unknown'}, not checked"
