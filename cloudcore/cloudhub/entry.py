"""Who stands at the door: the node that a client certificate names, and whether its request may become a session (contract 2.1, X1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ssl import cert_time_to_seconds
from typing import Any

from viaduct.handshake import (
    HEADER_NODE,
    HEADER_USE,
    NODE_GROUP,
    NODE_USER_PREFIX,
    USE_MESSAGES,
    USE_STREAMS,
    Mode,
    choose_mode,
    node_of_common_name,
    ping_interval,
)


class TurnedAway(Exception):
    """The request does not become a session: answer HTTP ``status`` with ``reason``."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Visitor:
    """``serial`` is the number of the certificate. ``ping``: seconds between two pings of an idle node; None: it says keepalive.
    ``streams``: the connection is to carry streams, not messages (P7.7)."""

    node: str
    serial: int
    mode: Mode
    ping: int | None = None
    streams: bool = False


def visitor_of(certificate: Mapping[str, Any] | None, headers: Mapping[str, str], *, now: float) -> Visitor:
    """The visitor that a peer certificate of our CA (as ``ssl`` describes it) and the upgrade request's headers present at ``now``
    (epoch seconds).

    Raises:
        TurnedAway: no certificate, one out of date (401, P2.10) or of no node, a ``node_id`` that is not the certificate's, or another use
            of the connection.
    """
    if not certificate:
        raise TurnedAway(401, "a client certificate is required")
    _check_dates(certificate, now)
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
    serial = int(str(certificate.get("serialNumber") or "0"), 16)
    if use == USE_STREAMS:
        return Visitor(node, serial, Mode.LEDGER, streams=True)
    if use != USE_MESSAGES:
        raise TurnedAway(400, f"header {HEADER_USE}: expected {USE_MESSAGES!r} or {USE_STREAMS!r}, got {use[:64]!r}")
    mode = choose_mode(headers)
    return Visitor(node, serial, mode, _ping(headers) if mode is Mode.LEDGER else None)


def _check_dates(certificate: Mapping[str, Any], now: float) -> None:
    """A certificate without dates that can be read is none."""
    try:
        begins, ends = (cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
    except (KeyError, ValueError):
        raise TurnedAway(401, "the certificate's dates cannot be read") from None
    if now < begins:
        raise TurnedAway(401, f"the certificate is good from {certificate['notBefore']} on, which is not yet by the cloud's clock")
    if now >= ends:
        raise TurnedAway(401, f"the certificate ran out on {certificate['notAfter']}: renew it at the enrolment port")


def _ping(headers: Mapping[str, str]) -> int | None:
    try:
        return ping_interval(headers)
    except ValueError as exc:
        raise TurnedAway(400, str(exc)) from exc
