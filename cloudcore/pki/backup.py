"""The identity of a cluster as one text: its CA, the register of tokens and the list of revoked nodes, to keep and to put back."""

from __future__ import annotations

import base64
import binascii
import json
from functools import partial
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki.authority import CA_SECRET, Authority, authority_of
from cloudcore.pki.ports import SecretStore
from cloudcore.pki.registry import TOKEN_SECRET
from cloudcore.pki.revocation import REVOKED_SECRET, read_revocations
from cloudcore.pki.secret import Data, change, read_or_empty

KIND = "BrambleIdentity"
VERSION = 1

Secrets = dict[str, Data]

_NAMES = (CA_SECRET, TOKEN_SECRET, REVOKED_SECRET)


async def take(store: SecretStore) -> Secrets:
    """What the cluster holds.

    Raises:
        IdentityError: there is no CA yet, or one that cannot be read. KubeError: the API.
    """
    found = {name: await read_or_empty(store, name) for name in _NAMES}
    if not found[CA_SECRET]:
        raise IdentityError("this cluster has no CA yet: CloudCore makes it at its first start")
    authority_of(found[CA_SECRET])
    return found


async def put_back(store: SecretStore, kept: Secrets, *, force: bool) -> Authority:
    """Give the cluster the identity that was kept; what it revoked or spent since then stays revoked and spent. The CA comes last: a
    CloudCore that finds it finds who is revoked as well.

    Raises:
        IdentityError: the cluster has another CA, and ``force`` is False; nothing was changed. KubeError: the API.
    """
    _check_same(await read_or_empty(store, CA_SECRET), kept[CA_SECRET], force)
    await change(store, REVOKED_SECRET, partial(_later, kept=kept[REVOKED_SECRET]))
    await change(store, TOKEN_SECRET, lambda held: {**kept[TOKEN_SECRET], **held})
    return authority_of(await change(store, CA_SECRET, partial(_check_same, kept=kept[CA_SECRET], force=force)))


def to_text(kept: Secrets) -> str:
    """For a file that nobody else may read: it holds the CA's key."""
    texts = {name: {key: base64.b64encode(value).decode() for key, value in data.items()} for name, data in kept.items()}
    return json.dumps({"kind": KIND, "version": VERSION, "secrets": texts}, indent=2) + "\n"


def from_text(text: str) -> Secrets:
    """What ``to_text`` wrote.

    Raises:
        IdentityError: names the field; nothing of a value is repeated.
    """
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise IdentityError("not a backup of an identity: not JSON") from exc
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise IdentityError(f"kind: expected {KIND!r}: not a backup of an identity")
    if document.get("version") != VERSION:
        raise IdentityError(f"version: expected {VERSION}, got {str(document.get('version'))[:16]!r}")
    secrets = document.get("secrets")
    if not isinstance(secrets, dict):
        raise IdentityError("secrets: expected an object")
    kept = {name: _data(name, secrets.get(name)) for name in _NAMES}
    authority_of(kept[CA_SECRET])
    return kept


def _data(name: str, value: Any) -> Data:
    if not isinstance(value, dict):
        raise IdentityError(f"secrets.{name}: expected an object")
    found: Data = {}
    for key, text in value.items():
        try:
            found[key] = base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise IdentityError(f"secrets.{name}.{key}: expected base64") from None
    return found


def _check_same(held: Data, kept: Data, force: bool) -> Data:
    if held and held != kept and not force:
        raise IdentityError(
            "this cluster has another CA, and every board that joined under it would be refused; --force replaces it all the same"
        )
    return kept


def _later(held: Data, kept: Data) -> Data:
    """Of two revocations of one node the later one."""
    times = [read_revocations(data).since for data in (held, kept)]
    merged = dict(kept)
    for node, value in held.items():
        if node not in kept or times[0][node] >= times[1][node]:
            merged[node] = value
    return merged
