"""Join tokens: made, listed, deleted and used, against the register in the cluster."""

from __future__ import annotations

import hashlib
import secrets

from cloudcore.pki import bearer
from cloudcore.pki.authority import Authority
from cloudcore.pki.ports import SecretStore
from cloudcore.pki.secret import Data, change, read_or_empty
from cloudcore.pki.tokens import TokenRecord, admitted, entered, join_text, read_register

TOKEN_SECRET = "bramble-tokens"


class TokenRegistry:
    """Every method raises a KubeError when the API fails. ``now`` is epoch seconds."""

    def __init__(self, store: SecretStore, authority: Authority) -> None:
        self._store = store
        self._authority = authority

    async def create(self, ttl_s: int, *, one_time: bool, now: float, node: str = "") -> tuple[TokenRecord, str]:
        """A new entry in the register, for ``node`` alone where that is not empty, and the text of the token, which is kept nowhere."""
        record = TokenRecord(secrets.token_hex(5), int(now), int(now) + ttl_s, one_time, node=node)
        await change(self._store, TOKEN_SECRET, lambda data: entered(data, record, now))
        claims = bearer.Claims(record.id, record.expires)
        return record, join_text(self._authority.pin, bearer.encode(self._authority.token_secret, claims))

    async def list(self) -> list[TokenRecord]:
        """The register, oldest first."""
        records = read_register(await read_or_empty(self._store, TOKEN_SECRET))
        return sorted(records.values(), key=lambda record: (record.created, record.id))

    async def delete(self, token_id: str) -> bool:
        """Refuse the token from now on. False: there was none of that id."""
        found = False

        def without(data: Data) -> Data:
            nonlocal found
            found = data.pop(token_id, None) is not None
            return data

        if token_id in await read_or_empty(self._store, TOKEN_SECRET):
            await change(self._store, TOKEN_SECRET, without)
        return found

    async def admit(self, text: str, *, node: str, public_key: bytes, now: float, revoked: float | None = None) -> None:
        """Let ``node`` use the bearer ``text`` for its key; a one-time token is spent by that.

        ``revoked`` is when the node was revoked, None where it was not.

        Raises:
            IdentityError: the token is not good (any more).
        """
        claims = bearer.decode(self._authority.token_secret, text)
        key = hashlib.sha256(public_key).hexdigest()
        await change(self._store, TOKEN_SECRET, lambda data: admitted(data, claims, node=node, key=key, now=now, revoked=revoked))
