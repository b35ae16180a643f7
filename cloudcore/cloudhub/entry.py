"""Who stands at the door: the node that a client certificate names, and whether its request may become a session (contract 2.1, X1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viaduct.handshake import (
    HEADER_NODE,
    HEADER_USE,
    NODE_GROUP,
    NODE_USER_PREFIX,
    USE_MESSAGES,
    Mode,
    choose_mode,
    node_of_common_name,
)


class TurnedAway(Exception):
    """The request does not become a session: answer HTTP ``status`` with ``reason``."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Visitor:
    """``serial`` is the number of the certificate."""

    node: str
    serial: int
    mode: Mode


def visitor_of(certificate: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Visitor:
    """The visitor that a verified peer certificate (as ``ssl`` describes it) and the upgrade request's headers present.

    Raises:
        TurnedAway: no certificate, one of no node, a ``node_id`` that is not the certificate's, or another use of the connection.
    """
    if not certificate:
        raise TurnedAway(401, "a client certificate is required")
    subject = dict(pair for group in certificate.get("subject", ()) for pair in group)
    organizations = {value for group in certificate.get("subject", ()) for key, value in group if key == "organizationName"}
    name = str(subject.get("commonName", ""))
    node = node_of_common_name(name)
    if node is None or NODE_GROUP not in organizations:
        raise TurnedAway(403, f"the certificate is for {name[:200]!r}: expected CN {NODE_USER_PREFIX}<node> and O {NODE_GROUP}")
    lowered = {key.lower(): value for key, value in headers.items()}
    claimed = lowered.get(HEADER_NODE.lower(), "")
    if claimed != node:
        raise TurnedAway(403, f"header {HEADER_NODE}: {claimed[:253]!r}, but the certificate is for {node!r}")
    use = lowered.get(HEADER_USE.lower(), "")
    if use != USE_MESSAGES:
        raise TurnedAway(400, f"header {HEADER_USE}: expected {USE_MESSAGES!r}, got {use[:64]!r}")
    return Visitor(node, int(str(certificate.get("serialNumber") or "0"), 16), choose_mode(headers))
