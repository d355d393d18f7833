"""Faults around the engine that a person knows how to fix: recognised in its text, and told in one sentence. Pure.

The engine's own sentence is kept where it holds more than its cause, such as the name of a plugin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EngineFault:
    """What is wrong and what to do. `passing`: the same call may succeed later, without any change."""

    message: str
    remedy: str
    passing: bool = False


#: Text of the engine → sentence, remedy, and whether it passes by itself. `{0}`, `{1}` are the groups; the first match counts.
_KNOWN: tuple[tuple[str, str, str, bool], ...] = (
    (
        r"incorrect passphrase",
        "The passphrase does not fit this stack's secrets.",
        "Set PULUMI_CONFIG_PASSPHRASE_FILE to the file with the passphrase that the stack was created with.",
        False,
    ),
    (
        r"unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open (\S+): ([^\n]+)",
        "The passphrase file {0} can't be read: {1}.",
        "Correct PULUMI_CONFIG_PASSPHRASE_FILE.",
        False,
    ),
    (
        r"passphrase must be set with PULUMI_CONFIG_PASSPHRASE",
        "This stack's secrets need a passphrase, and none is set.",
        "Set PULUMI_CONFIG_PASSPHRASE_FILE to the file that holds it.",
        False,
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set",
        "Nobody is logged in to the backend that holds this stack's state.",
        "Set PULUMI_BACKEND_URL to a folder (file://…) or bucket (s3://…), or PULUMI_ACCESS_TOKEN for Pulumi Cloud.",
        False,
    ),
    (
        r"unable to open state directory \"([^\"?]+)[^\"]*\": ([^\n]+)",
        "The backend {0} can't be opened: {1}.",
        "Correct PULUMI_BACKEND_URL, or create the folder.",
        False,
    ),
    (
        r"no resource plugin '([^']+)' found in the workspace(?: at version (\S+))?",
        "The engine has no plugin {0} {1}.",
        "Install it: `pulumi plugin install`, or on a machine without network put it on PATH.",
        False,
    ),
    (
        r"no space left on device",
        "The disk is full: the engine could not write.",
        "Free space in the backend, in PULUMI_HOME and in TMPDIR. What was already applied stays, and the next run continues.",
        True,
    ),
    (
        r"(?:Throttling|Rate exceeded|RequestLimitExceeded|TooManyRequests)",
        "AWS limits the rate of requests.",
        "Wait a few minutes. What was already applied stays, and the next run continues.",
        True,
    ),
    (
        r"(?:dial tcp|Could not connect to the endpoint|no such host|connection refused|connection reset|i/o timeout|"
        r"TLS handshake timeout|network is unreachable)",
        "The network or a service that the engine calls does not answer: {said}",
        "Check that backend and cloud answer. What was already applied stays, and the next run continues.",
        True,
    ),
)


def known_fault(text: str) -> EngineFault | None:
    """The fault in an engine's error text; None if it is none of those. `text` must hold no secret."""
    for pattern, message, remedy, passing in _KNOWN:
        found = re.search(pattern, text)
        if found is None:
            continue
        groups = [(group or "").strip().rstrip(".") for group in found.groups()]
        said = " ".join(message.format(*groups, said=_line(text, found.start())).split()).replace(" .", ".")
        return EngineFault(message=said, remedy=remedy, passing=passing)
    return None


def _line(text: str, at: int) -> str:
    """The line around a position, at most 300 characters of it."""
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return text[start : None if end < 0 else end].removeprefix("error:").strip()[:300]
