"""When the node's certificate is renewed (contract 2.8): between 70 and 90 % of its life, each node at a moment of its own."""

from __future__ import annotations

import hashlib

from edgecore.certs.identity import NodeIdentity

EARLIEST = 0.7
SPREAD = 0.2

_RETRY_FIRST_S = 30.0
_RETRY_LAST_S = 3600.0


def renew_at(identity: NodeIdentity) -> float:
    """Epoch seconds. Boards that were flashed on one day do not all come at once: the moment follows from node and certificate."""
    digest = hashlib.sha256(f"{identity.node}/{identity.serial}".encode()).digest()
    share = EARLIEST + SPREAD * int.from_bytes(digest[:4], "big") / 2**32
    return identity.not_before + (identity.not_after - identity.not_before) * share


def is_due(identity: NodeIdentity, now: float) -> bool:
    """Whether to renew at ``now`` (epoch seconds). Before the certificate's own time the clock is wrong, and nothing is due."""
    return now >= renew_at(identity)


def is_valid(identity: NodeIdentity, now: float) -> bool:
    """Whether the cloud would accept the certificate at ``now`` (epoch seconds)."""
    return identity.not_before <= now < identity.not_after


def retry_s(failures: int, chance: float) -> float:
    """Seconds until the next attempt after so many failures in a row; ``chance`` is from 0 to 1."""
    return min(_RETRY_LAST_S, _RETRY_FIRST_S * 2.0 ** min(failures - 1, 10)) * (0.75 + chance / 2)
