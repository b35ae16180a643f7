"""The API server as a proxy in front of us: which certificate it shows, and for whom it says that it asks.

It publishes what it uses in the ConfigMap kube-system/extension-apiserver-authentication, as for every aggregated API. A certificate of
that CA alone may speak for others, so it is trusted on a port of its own and nowhere else.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloudcore.cloudstream.access import CA_CONFIGMAP, CA_NAMESPACE, UNAUTHORIZED, Reviews, User, user_of
from cloudcore.errors import StreamError
from cloudcore.kube.resources import CONFIGMAPS
from cloudcore.ports import JsonObject

PREFIX = "requestheader-"


class Headers(Protocol):
    """Of a request; a header may be there several times."""

    def getall(self, key: str, default: list[str]) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """``names``: the common names that its certificate may have; none: any."""

    ca_pem: str
    names: tuple[str, ...] = ()
    user_headers: tuple[str, ...] = ("X-Remote-User",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)


def front_proxy(published: JsonObject) -> FrontProxy | None:
    """As the ConfigMap describes it; None where the API server aggregates nothing."""
    data = published.get("data") or {}
    pem = str(data.get(f"{PREFIX}client-ca-file") or "")
    if not pem:
        return None
    default = FrontProxy(pem)
    return FrontProxy(
        pem,
        names=_texts(data, "allowed-names"),
        user_headers=_texts(data, "username-headers") or default.user_headers,
        group_headers=_texts(data, "group-headers") or default.group_headers,
    )


def asked_for(proxy: FrontProxy | None, certificate: Mapping[str, Any] | None, headers: Headers) -> User:
    """For whom the proxy asks. ``certificate``: one that TLS found to be of its CA. Raises StreamError."""
    if proxy is None or not certificate:
        raise StreamError("Unauthorized: only an API server that aggregates may ask here", code=UNAUTHORIZED)
    name = user_of(certificate).name
    if proxy.names and name not in proxy.names:
        raise StreamError(f"Unauthorized: {name!r} is none of requestheader-allowed-names", code=UNAUTHORIZED)
    users = [value for header in proxy.user_headers for value in headers.getall(header, []) if value]
    if not users:
        raise StreamError("Unauthorized: the API server names no user", code=UNAUTHORIZED)
    groups = [value for header in proxy.group_headers for value in headers.getall(header, []) if value]
    return User(users[0], groups=tuple(groups))


async def trust_front_proxy(kube: Reviews, context: ssl.SSLContext) -> FrontProxy | None:
    """Let ``context`` take certificates of the proxy's CA; who the proxy is now.

    Raises:
        KubeError: the API. ssl.SSLError: what it publishes is no certificate.
    """
    found = front_proxy(await kube.get(CONFIGMAPS, CA_NAMESPACE, CA_CONFIGMAP))
    if found is not None:
        context.load_verify_locations(cadata=found.ca_pem)
    return found


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    try:
        values = json.loads(data.get(f"{PREFIX}{key}") or "[]")
    except (ValueError, TypeError, RecursionError):
        return ()
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
