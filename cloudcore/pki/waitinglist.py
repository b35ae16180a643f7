"""The boards that are expected, against the cluster: laid by the command line, answered for by every CloudCore."""

from __future__ import annotations

from dataclasses import replace

from cloudcore.pki.pairings import Pairing, laid, over, read_pairings, waiting
from cloudcore.pki.ports import SecretStore
from cloudcore.pki.registry import TOKEN_SECRET, TokenRegistry
from cloudcore.pki.secret import change, read_or_empty
from cloudcore.pki.tokens import read_register

PAIRING_SECRET = "bramble-pairings"


class WaitingList:
    """What the cluster says, as of the last ``refresh``. ``now`` is epoch seconds; the API may raise a KubeError."""

    def __init__(self, store: SecretStore, tokens: TokenRegistry) -> None:
        self._store = store
        self._tokens = tokens
        self._known: list[Pairing] = []

    def waiting(self, now: float) -> list[Pairing]:
        return waiting(self._known, now)

    def is_empty(self) -> bool:
        return not self._known

    async def lay(self, code: str, ttl_s: int, *, node: str, now: float) -> Pairing:
        """Expect the board that shows ``code``, with a token of its own for one use, for ``node`` alone where that is not empty.

        Raises:
            IdentityError: too many wait already; nothing was changed.
        """
        probe = Pairing("", code, "", int(now) + ttl_s, node)
        laid(await read_or_empty(self._store, PAIRING_SECRET), probe, now)  # before there is a token that nobody would hear of
        record, token = await self._tokens.create(ttl_s, one_time=True, node=node, now=now)
        pairing = replace(probe, token_id=record.id, token=token)
        try:
            await change(self._store, PAIRING_SECRET, lambda data: laid(data, pairing, now))
        except BaseException:
            await self._tokens.delete(record.id)
            raise
        return pairing

    async def refresh(self, *, now: float) -> None:
        """Read anew, and take away what is used, deleted or over."""
        data = await read_or_empty(self._store, PAIRING_SECRET)
        if data:
            # Read second: a token is entered before its pairing, so none that was just laid is taken for deleted.
            gone = over(data, read_register(await read_or_empty(self._store, TOKEN_SECRET)), now)
            if gone:
                data = await change(self._store, PAIRING_SECRET, lambda held: {key: held[key] for key in held.keys() - gone})
        self._known = read_pairings(data)
