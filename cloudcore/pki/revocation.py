"""Which certificates are good no more (X3).

A node is revoked by time: every certificate that it was given up to then is refused, one that it gets later is good. It gets one only with
a join token made after its revocation: a token that lies about, on the board perhaps, does not bring back what a person shut out.
The number of a certificate tells when it was given (signing.serial_number), so no list of numbers is needed.
Kept in the Secret ``kubeedge/bramble-revoked``, one entry per node: epoch seconds as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudcore.pki.ports import SecretStore
from cloudcore.pki.secret import Data, change, read_or_empty
from cloudcore.pki.signing import issued_at

REVOKED_SECRET = "bramble-revoked"


@dataclass(frozen=True, slots=True)
class Revocations:
    """Node to the time of its revocation."""

    since: Mapping[str, float] = field(default_factory=dict)

    def cover(self, node: str, serial: int) -> bool:
        """Whether the certificate ``serial`` of ``node`` is refused. A number of another program's making tells no time: refused."""
        revoked = self.since.get(node)
        if revoked is None:
            return False
        issued = issued_at(serial)
        return issued is None or issued <= revoked


def read_revocations(data: Data) -> Revocations:
    """An entry that cannot be read counts as revoked for ever: rather a board that must join again than one too many."""
    return Revocations({node: _time(value) for node, value in data.items()})


class RevocationList:
    """What the cluster says, as of the last ``refresh``."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self._known = Revocations()

    def is_revoked(self, node: str, serial: int) -> bool:
        return self._known.cover(node, serial)

    def revoked_at(self, node: str) -> float | None:
        """Epoch seconds; None where the node was never revoked."""
        return self._known.since.get(node)

    def all(self) -> Mapping[str, float]:
        """Every node that was revoked, and when (epoch seconds)."""
        return self._known.since

    async def refresh(self) -> None:
        """Raises: KubeError; what was known stays."""
        self._known = read_revocations(await read_or_empty(self._store, REVOKED_SECRET))

    async def revoke(self, node: str, *, now: float) -> None:
        """Refuse every certificate that ``node`` has been given so far."""
        data = await change(self._store, REVOKED_SECRET, lambda data: {**data, node: repr(now).encode()})
        self._known = read_revocations(data)

    async def allow(self, node: str) -> bool:
        """Undo the revocation of ``node``. False: it was not revoked."""
        await self.refresh()
        if self.revoked_at(node) is None:
            return False
        data = await change(self._store, REVOKED_SECRET, lambda data: {name: value for name, value in data.items() if name != node})
        self._known = read_revocations(data)
        return True


def _time(value: bytes) -> float:
    try:
        when = float(value)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(when) else when
