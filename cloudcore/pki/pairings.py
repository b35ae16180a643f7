"""Decisions about pairings (P2.12): which boards are expected, by the codes that they show.

They lie in the Secret ``kubeedge/bramble-pairings``, one entry for each, under the id of the join token that it holds, and go with it: when
the token is used, deleted or over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from cloudcore.errors import IdentityError
from cloudcore.pki.secret import Data
from cloudcore.pki.tokens import TokenRecord
from viaduct.pairing import ANSWERS_LIMIT, read_code

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Pairing:
    """``expires`` in epoch seconds; ``node`` is empty where the operator named none."""

    token_id: str
    code: str = field(repr=False)
    token: str = field(repr=False)
    expires: int
    node: str = ""


def read_pairings(data: Data) -> list[Pairing]:
    """An entry that cannot be read is left out: nobody pairs by it."""
    found = []
    for key, value in data.items():
        try:
            pairing = Pairing(**json.loads(value))
        except (TypeError, ValueError, RecursionError):
            continue
        if pairing.token_id == key and _fits(pairing):
            found.append(pairing)
    return found


def waiting(pairings: list[Pairing], now: float) -> list[Pairing]:
    """Those that are answered for, the oldest first."""
    return sorted((one for one in pairings if one.expires > now), key=lambda one: one.expires)[:ANSWERS_LIMIT]


def laid(data: Data, pairing: Pairing, now: float) -> Data:
    """With ``pairing``, in place of an older one for the same code and of those that are over.

    Raises:
        IdentityError: as many wait already as are answered for.
    """
    kept = {one.token_id for one in read_pairings(data) if one.expires > now and one.code != pairing.code}
    if len(kept) >= ANSWERS_LIMIT:
        raise IdentityError(f"{ANSWERS_LIMIT} boards are expected already, which is the most; cloudcore token delete takes one back")
    return {**{key: value for key, value in data.items() if key in kept}, pairing.token_id: json.dumps(asdict(pairing)).encode()}


def over(data: Data, tokens: Mapping[str, TokenRecord], now: float) -> set[str]:
    """The entries whose token is used, deleted or over, and those that cannot be read."""
    good = {one.token_id for one in read_pairings(data) if one.expires > now and _is_open(tokens.get(one.token_id))}
    return data.keys() - good


def _is_open(record: TokenRecord | None) -> bool:
    return record is not None and not record.used_by


def _fits(pairing: Pairing) -> bool:
    texts = (pairing.code, pairing.token, pairing.node)
    if not all(isinstance(text, str) and text.isascii() and len(text) <= _LONGEST for text in texts) or type(pairing.expires) is not int:
        return False
    try:
        return read_code(pairing.code) == pairing.code
    except ValueError:
        return False
