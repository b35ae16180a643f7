"""Who this node is, by its certificate: the small file beside the certificate that the agent can read without ``cryptography``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Dates are epoch seconds. ``digest`` is the SHA-256 of the certificate file, ``authority`` that of the CA's certificate (DER)."""

    node: str
    not_before: int
    not_after: int
    serial: str
    digest: str
    authority: str


def to_json(identity: NodeIdentity) -> bytes:
    return (json.dumps(asdict(identity), indent=2) + "\n").encode()


def from_json(data: bytes) -> NodeIdentity | None:
    """None for a file that is not what ``to_json`` wrote: it can be made again from the certificate."""
    try:
        identity = NodeIdentity(**json.loads(data))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (identity.node, identity.serial, identity.digest, identity.authority)
    dates = (identity.not_before, identity.not_after)
    fits = all(isinstance(text, str) for text in texts) and all(type(date) is int for date in dates)
    return identity if fits else None
