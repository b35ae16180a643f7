"""Decisions about certificates: what may be asked for, who it is for, how long it is good, and the number it bears (contract 2.8)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cloudcore.errors import IdentityError
from cloudcore.pki.certificates import Request, Validity

CA_LIFETIME = timedelta(days=36_500)
SERVER_LIFETIME = timedelta(days=3650)
"""Longer than any process lives: the server's key exists in the memory of one process only."""

BACKDATED = timedelta(hours=1)
"""A board's clock may be behind that of the cloud."""

RSA_BITS = 2048

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NODE_NAME_LIMIT = 253
_RANDOM_BITS = 80
_TIME_BITS = 46
_MARK = 1 << (_TIME_BITS + _RANDOM_BITS)


def check_node_name(name: str, *, of: str = "header NodeName") -> None:
    """Raises: IdentityError: not a Kubernetes node name; the text begins with ``of``, where it came from."""
    if not name:
        raise IdentityError(f"{of}: missing; it names the node that the certificate is for")
    if len(name) > _NODE_NAME_LIMIT or not _NODE_NAME.fullmatch(name):
        raise IdentityError(f"{of}: {name[:64]!r} is no node name (lower case letters, digits, '-' and '.')")


def check_request(request: Request) -> None:
    """Raises: IdentityError: a key that is too weak or of another kind, or no proof that the asker has it."""
    if not request.proven:
        raise IdentityError("body: the request's signature does not fit its key")
    if request.kind == "rsa" and request.bits < RSA_BITS:
        raise IdentityError(f"body: RSA keys need {RSA_BITS} bits or more, this one has {request.bits}")
    if request.kind not in ("ecdsa", "rsa"):
        raise IdentityError(f"body: expected an ECDSA (P-256, P-384, P-521) or RSA key, got {request.kind}")


def validity(now: float, lifetime: timedelta) -> Validity:
    """From an hour before ``now`` (epoch seconds) until ``lifetime`` after it."""
    start = datetime.fromtimestamp(int(now), UTC)
    return Validity(start - BACKDATED, start + lifetime)


def serial_number(now: float, random: int) -> int:
    """A number that tells when it was given: revocation is by time (see revocation.py). ``random`` supplies 80 bits of chance."""
    return _MARK | (int(now * 1000) % (1 << _TIME_BITS)) << _RANDOM_BITS | random % (1 << _RANDOM_BITS)


def issued_at(serial: int) -> float | None:
    """Epoch seconds at which a number of ours was given; None for a number of another program's making."""
    if serial >> (_TIME_BITS + _RANDOM_BITS) != 1:
        return None
    return ((serial >> _RANDOM_BITS) % (1 << _TIME_BITS)) / 1000
