"""The CA of a cluster: made once, kept in the Secret ``kubeedge/casecret`` (contract 2.8), the same for every CloudCore."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from cloudcore.errors import IdentityError
from cloudcore.pki import signing
from cloudcore.pki.certificates import Issued, Signer, create_authority, read_request
from cloudcore.pki.ports import NAMESPACE, SecretStore
from cloudcore.pki.secret import Data, change
from viaduct.handshake import NODE_GROUP, NODE_USER_PREFIX, SERVER_NAME, time_statement

CA_SECRET = "casecret"
CA_NAME = "KubeEdge"


class Authority:
    """Signs for nodes and for this process. ``now`` is epoch seconds throughout."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def certificate(self) -> bytes:
        """The CA's certificate, DER."""
        return self._signer.certificate

    @property
    def token_secret(self) -> bytes:
        """What join tokens are signed with: the CA's private key, DER."""
        return self._signer.secret

    @property
    def pin(self) -> str:
        """SHA-256 of the CA's certificate in hexadecimal: the first part of a join token."""
        return hashlib.sha256(self.certificate).hexdigest()

    def sign_node(self, request_der: bytes, node: str, *, now: float, lifetime: timedelta) -> bytes:
        """A client certificate (DER) for ``node``, whatever subject the request names.

        Raises:
            IdentityError: the request is not good.
        """
        signing.check_node_name(node)
        signing.check_request(read_request(request_der))
        validity = signing.validity(now, lifetime)
        return self._signer.sign_node(request_der, NODE_USER_PREFIX + node, NODE_GROUP, _serial(now), validity)

    def make_server(self, names: Iterable[str], *, now: float) -> bytes:
        """Key and certificate (PEM) of this process for ``names`` (addresses and DNS names) and for SERVER_NAME."""
        validity = signing.validity(now, signing.SERVER_LIFETIME)
        return self._signer.make_server("cloudcore", [SERVER_NAME, *names], _serial(now), validity)

    def state_time(self, nonce: str, *, now: float) -> tuple[bytes, bytes]:
        """What time it is, for who does not know, and the CA's signature over it (P2.8)."""
        statement = time_statement(int(now), nonce)
        return statement, self._signer.sign(statement)

    def read_issued(self, der: bytes) -> Issued:
        """Raises: IdentityError: no certificate of this CA. One that is out of date is read as well."""
        return self._signer.read_issued(der)


async def open_authority(store: SecretStore, *, now: float) -> Authority:
    """The cluster's CA, made if there is none. Of two CloudCores that start together the slower one takes the other's.

    Raises:
        IdentityError: the Secret holds something else. KubeError: the API.
    """

    def decide(held: Data) -> Data:
        return held if "cadata" in held or "cakeydata" in held else {**held, **fresh}

    certificate, key = create_authority(CA_NAME, _serial(now), signing.validity(now, signing.CA_LIFETIME))
    fresh = {"cadata": certificate, "cakeydata": key}
    return authority_of(await change(store, CA_SECRET, decide))


def authority_of(held: Data) -> Authority:
    """Raises: IdentityError: what the Secret holds is not a CA and its key."""
    missing = [name for name in ("cadata", "cakeydata") if name not in held]
    if missing:
        raise IdentityError(f"Secret {NAMESPACE}/{CA_SECRET}: data.{missing[0]}: missing; restore it, or delete the Secret")
    try:
        return Authority(Signer(held["cadata"], held["cakeydata"]))
    except IdentityError as exc:
        raise IdentityError(f"Secret {NAMESPACE}/{CA_SECRET}: {exc}") from exc


def _serial(now: float) -> int:
    return signing.serial_number(now, secrets.randbits(80))
