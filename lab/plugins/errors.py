"""What a plugin can fail with.

PluginError                   the operation failed; the message is what the user reads
├── PartialFailureError       the resource exists, but its creation or update did not finish; the engine keeps its state
└── UnreachableError          the service behind the plugin does not answer
"""

from __future__ import annotations

from typing import Any


class PluginError(Exception):
    """The operation failed. ``code`` is the service's own error code where it has one."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(PluginError):
    """The cloud endpoint or the hypervisor does not answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="Unreachable")


class PartialFailureError(PluginError):
    """The resource ``id`` exists with ``outputs``, but the step named in the message failed after that."""

    def __init__(self, message: str, *, id: str, outputs: dict[str, Any], code: str = "") -> None:
        super().__init__(message, code=code)
        self.id = id
        self.outputs = outputs
