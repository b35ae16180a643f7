"""Secrets as values (raw Kubernetes object to bytes and back) and the one way of changing them: compare-and-set."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from cloudcore.errors import IdentityError, KubeAlreadyExists, KubeConflict, KubeNotFound
from cloudcore.pki.ports import NAMESPACE, SecretStore

Data = dict[str, bytes]

_ATTEMPTS = 20


def secret_body(name: str, data: Data) -> dict[str, Any]:
    """The Kubernetes object of an Opaque Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def secret_data(body: dict[str, Any]) -> Data:
    """What a Secret holds.

    Raises:
        IdentityError: an entry is not base64; the text names it and shows nothing of it.
    """
    found: Data = {}
    for key, value in (body.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise IdentityError(f"Secret {NAMESPACE}/{body['metadata']['name']}: data.{key}: expected base64") from None
    return found


async def read_or_empty(store: SecretStore, name: str) -> Data:
    """What the Secret holds; nothing where it does not exist."""
    try:
        return secret_data(await store.read(name))
    except KubeNotFound:
        return {}


async def change(store: SecretStore, name: str, decide: Callable[[Data], Data]) -> Data:
    """Replace what the Secret holds by ``decide(what it holds)``; decided again whenever somebody else came between.

    What ``decide`` raises ends the change. An unchanged value is not written.

    Raises:
        KubeConflict: others kept coming between. KubeError: the API.
    """
    for _ in range(_ATTEMPTS):
        body = await _read(store, name)
        before = secret_data(body) if body else {}
        after = decide(dict(before))
        if body is not None and after == before:
            return after
        try:
            await _write(store, name, body, after)
            return after
        except (KubeAlreadyExists, KubeConflict, KubeNotFound):
            continue
    raise KubeConflict(f"Secret {NAMESPACE}/{name}: changed by others {_ATTEMPTS} times in a row")


async def _read(store: SecretStore, name: str) -> dict[str, Any] | None:
    try:
        return await store.read(name)
    except KubeNotFound:
        return None


async def _write(store: SecretStore, name: str, body: dict[str, Any] | None, data: Data) -> None:
    fresh = secret_body(name, data)
    if body is None:
        await store.create(fresh)
    else:
        await store.replace(name, {**body, "data": fresh["data"]})
