"""What can be wrong with something that came over the wire."""

from __future__ import annotations


class ViaductError(Exception):
    """Root of everything that viaduct refuses."""


class MalformedMessage(ViaductError):
    """A frame that is not an envelope. ``field`` is the path of the part at fault, e.g. ``header.msg_id``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class MalformedResource(ViaductError):
    """A resource string outside the grammar of P1.6."""

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(f"resource {resource[:200]!r}: {reason}")
        self.resource = resource
        self.reason = reason


class MalformedPayload(ViaductError):
    """Content (of a message or an MQTT payload) of the wrong shape. ``field`` names the part at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
