"""How long a token of a service account is fresh, and how it stands in the database (P5.11, decision 0094). Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from viaduct.resource import ResourcePath
from viaduct.tokenrequest import Issued, TokenRequest
from viaduct.vocabulary import ResourceType

FRESH_PART = 0.8
LONGEST_FRESH = 24 * 3600.0
"""As a kubelet does: a token is asked for anew after 80 % of its life, and after a day at the latest."""


@dataclass(frozen=True, slots=True)
class Kept:
    """``wall`` (epoch seconds) and ``stamp`` (``Transaction.stamp``): when it came."""

    issued: Issued
    wall: float
    stamp: int


def key_of(path: ResourcePath, request: TokenRequest) -> str:
    """One row for each pod, service account, audience and life."""
    asked = json.dumps([path.name, request.audience, request.seconds])
    digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return str(ResourcePath(path.namespace, ResourceType.SERVICEACCOUNTTOKEN, f"{request.uid}.{digest}"))


def fresh_for(kept: Kept, *, wall: float, stamp: int) -> float:
    """Seconds until it is to be asked for anew; 0: now. It is as old as the more pessimistic clock says: the wall clock may be set, and the
    running time stands still while the board is off. One token too many costs less than one that is refused."""
    age = max(wall - kept.wall, stamp - kept.stamp, 0.0)
    return max(0.0, min(kept.issued.seconds * FRESH_PART, LONGEST_FRESH) - age)


def stored_text(kept: Kept) -> str:
    return json.dumps({"token": kept.issued.token, "seconds": kept.issued.seconds, "wall": kept.wall, "stamp": kept.stamp})


def read_stored(text: str) -> Kept:
    """Raises ValueError, KeyError, TypeError: it is not what ``stored_text`` wrote."""
    value = json.loads(text)
    return Kept(Issued(str(value["token"]), int(value["seconds"])), float(value["wall"]), int(value["stamp"]))
