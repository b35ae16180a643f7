"""Decisions about join tokens: their text, their register, who may use one (X3).

The register lies in the Secret ``kubeedge/bramble-tokens``, one entry per token; the tokens themselves are kept nowhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace

from cloudcore.errors import IdentityError
from cloudcore.pki.bearer import Claims
from cloudcore.pki.secret import Data

KEPT_AFTER_EXPIRY_S = 7 * 86_400
"""So that ``token list`` can still tell which node used it."""

_TTL = re.compile(r"([0-9]{1,9})([smhd])")
_LONGEST = 256
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TTL_LIMIT_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Times are epoch seconds. ``used_key`` (hexadecimal digest of a public key) tells a repeated request from a second use."""

    id: str
    created: int
    expires: int
    one_time: bool = False
    used_by: str = ""
    used_at: int = 0
    used_key: str = ""
    node: str = ""
    """The only node that may use it; empty: any."""


def parse_ttl(text: str) -> int:
    """``90s``, ``30m``, ``24h`` or ``7d`` in seconds.

    Raises:
        ValueError: anything else, nothing, or more than a year.
    """
    found = _TTL.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _TTL_LIMIT_S:
        raise ValueError(f"expected a time such as 30m, 24h or 7d, at most 366d, got {text[:32]!r}")
    return seconds


def join_text(pin: str, bearer: str) -> str:
    """What a person copies to a board: the CA's hash and the bearer."""
    return f"{pin}.{bearer}"


def read_register(data: Data) -> dict[str, TokenRecord]:
    """The register by token id; an entry that cannot be read is left out, so its token is refused."""
    records: dict[str, TokenRecord] = {}
    for key, value in data.items():
        try:
            record = TokenRecord(**json.loads(value))
        except (TypeError, ValueError, RecursionError):
            continue
        if record.id == key and _fits(record):
            records[key] = record
    return records


def entered(data: Data, record: TokenRecord, now: float) -> Data:
    """The register with ``record``, without those that are long over."""
    kept = read_register(data)
    old = {key for key, found in kept.items() if found.expires + KEPT_AFTER_EXPIRY_S < now}
    return {**{key: value for key, value in data.items() if key not in old}, record.id: _text(record)}


def admitted(data: Data, claims: Claims, *, node: str, key: str, now: float, revoked: float | None = None) -> Data:
    """The register after ``node`` used the token for its key (digest ``key``): the same, unless the token is spent by it.

    ``revoked`` is when the node was shut out: only a token made since then lets it in again.
    A one-time token is good again for the very same node and key, whose answer may have been lost; nobody else has that key.

    Raises:
        IdentityError: over, deleted, spent, or older than the node's revocation.
    """
    if claims.expires <= now:
        raise IdentityError(f"token: expired {_ago(now - claims.expires)} ago; make another with: cloudcore token create")
    record = read_register(data).get(claims.token_id)
    if record is None:
        raise IdentityError("token: not in the register, it was deleted; make another with: cloudcore token create")
    if revoked is not None and record.created < int(min(revoked, now)):  # the register counts whole seconds
        raise IdentityError(f"token: made before node {node} was revoked; make another with: cloudcore token create")
    if record.node and record.node != node:
        raise IdentityError(f"token: made for node {record.node}, not for {node}")
    if not record.one_time:
        return data
    if record.used_by:
        if (record.used_by, record.used_key) == (node, key):
            return data
        raise IdentityError(f"token: for one use only, and node {record.used_by} has used it")
    return {**data, record.id: _text(replace(record, used_by=node, used_at=int(now), used_key=key))}


def _fits(record: TokenRecord) -> bool:
    texts, times = (record.used_by, record.used_key, record.node), (record.created, record.expires, record.used_at)
    named = all(isinstance(text, str) and text.isascii() and len(text) <= _LONGEST for text in texts)
    return named and all(type(time) is int for time in times) and isinstance(record.one_time, bool)


def _text(record: TokenRecord) -> bytes:
    # A CloudCore of an earlier version, beside this one or after a way back, lets nobody in by an entry with a field that it does not know.
    return json.dumps({key: value for key, value in asdict(record).items() if key != "node" or value}).encode()


def _ago(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes else f"{int(seconds)} s"
