"""Sign a previewed plan, and check who signed one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from reconciler.adapters import ledger, ssh_keys
from reconciler.adapters.files import write_json
from reconciler.adapters.project import Project
from reconciler.approval.check import require_previewed
from reconciler.errors import SignatureRefused, UsageError
from reconciler.plan import noted
from reconciler.plan.file import PlanFile
from reconciler.plan.signature import NAMESPACE, key_of, signed_bytes, signed_line


def approve_plan(project: Project, plan: PlanFile, *, path: Path, key: Path, now: datetime) -> str:
    """Sign a previewed plan with an SSH key and keep the signature in its file; returns the key's fingerprint.

    Raises:
        StaleApproval: it was never previewed, or has expired.
        InputError, Unavailable: as `ssh_keys.sign`, or the ledger or the file cannot be written.
    """
    require_previewed(plan, now=now)
    signature = ssh_keys.sign(signed_bytes(plan), key, namespace=NAMESPACE)
    made_by = key_of(signature)
    ledger.append(project.ledger_file, noted.approved(plan, made_by, at=now))
    write_json(path, plan.model_copy(update={"signature": signature}).model_dump(mode="json"))
    return made_by


def approval_of(plan: PlanFile, *, allowed: Path | None, required: bool) -> str:
    """Who approved a plan: `approved by NAME with key …`, or `unsigned`.

    Without a file of allowed signers no signature is checked, and the text says so.

    Raises:
        UsageError: a signature is required, and there is no file to check it by.
        SignatureRefused: it is required and missing, or not valid by that file.
        InputError, Unavailable: as `ssh_keys.signer`.
    """
    if required and allowed is None:
        raise UsageError("--require-signature needs a file to check the signature by: give --allowed-signers FILE.")
    if required and not plan.signature:
        raise SignatureRefused(f"Plan {plan.id} is unsigned.", remedy="Sign it: `tiercast approve --sign KEY`.")
    if allowed is None or not plan.signature:
        return signed_line(plan)
    name = ssh_keys.signer(signed_bytes(plan), plan.signature, allowed, namespace=NAMESPACE)
    return f"approved by {name} with key {key_of(plan.signature)}"
