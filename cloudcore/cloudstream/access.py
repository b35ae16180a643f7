"""Who may use the kubelet port: whom the Kubernetes API knows and lets at ``nodes/proxy``, as for any kubelet.

A client certificate of the API's own CA (which it publishes in the ConfigMap kube-system/extension-apiserver-authentication), or a bearer
token that TokenReview knows; then SubjectAccessReview decides.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloudcore.errors import KubeError, StreamError
from cloudcore.kube.resources import CONFIGMAPS, Resource
from supervision.usage import GROUP, VERSION

logger = logging.getLogger(__name__)

UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 401, 403, 503
CA_NAMESPACE, CA_CONFIGMAP, CA_KEY = "kube-system", "extension-apiserver-authentication", "client-ca-file"
GOOD_FOR = 10.0
"""Seconds in which a question about access is not asked again."""

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)

_MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class User:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done to a node, in the words of a kubelet's authorization."""

    verb: str
    subresource: str
    node: str

    def attributes(self) -> dict[str, str]:
        return {"verb": self.verb, "version": "v1", "resource": "nodes", "subresource": self.subresource, "name": self.node}

    def __str__(self) -> str:
        return f"{self.verb} nodes/{self.subresource} of node {self.node}"


@dataclass(frozen=True, slots=True)
class MetricsRead:
    """Of metrics.k8s.io: ``resource`` is nodes or pods; ``namespace`` and ``name`` empty: all of them."""

    resource: str
    namespace: str = ""
    name: str = ""

    def attributes(self) -> dict[str, str]:
        named = {"namespace": self.namespace, "name": self.name}
        return {"verb": "get" if self.name else "list", "group": GROUP, "version": VERSION, "resource": self.resource, **named}

    def __str__(self) -> str:
        return f"read {self.resource}.{GROUP} {'/'.join(filter(None, [self.namespace, self.name]))}".rstrip()


class Reviews(Protocol):
    """The Kubernetes API, as seen from here."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]: ...

    async def create(
        self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = ""
    ) -> dict[str, Any]: ...


class Access:
    """``now``: monotonic seconds."""

    def __init__(self, kube: Reviews, now: Callable[[], float]) -> None:
        self._kube = kube
        self._now = now
        self._allowed: dict[tuple[User, Deed | MetricsRead], float] = {}

    async def check(self, certificate: Mapping[str, Any] | None, authorization: str, deed: Deed) -> None:
        """Raises StreamError: 401, 403, or 503 where the API could not be asked."""
        try:
            user = await self._user(certificate, authorization)
        except KubeError as exc:
            raise _unasked(exc) from exc
        await self.check_user(user, deed)

    async def check_user(self, user: User, deed: Deed | MetricsRead) -> None:
        """Whether somebody who is known may do it. Raises StreamError: 403, or 503 where the API could not be asked."""
        try:
            await self._check_allowed(user, deed)
        except KubeError as exc:
            raise _unasked(exc) from exc

    async def _user(self, certificate: Mapping[str, Any] | None, authorization: str) -> User:
        if certificate:
            return user_of(certificate)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise StreamError("Unauthorized: a client certificate or a bearer token is required", code=UNAUTHORIZED)
        review = await self._kube.create(TOKEN_REVIEWS, None, {"spec": {"token": token.strip()}})
        status = review.get("status") or {}
        if status.get("authenticated") is not True:
            raise StreamError("Unauthorized: the Kubernetes API does not know this token", code=UNAUTHORIZED)
        found = status.get("user") or {}
        return User(str(found.get("username") or ""), str(found.get("uid") or ""), tuple(map(str, found.get("groups") or ())))

    async def _check_allowed(self, user: User, deed: Deed | MetricsRead) -> None:
        if self._allowed.get((user, deed), float("-inf")) > self._now():
            return
        spec = {"user": user.name, "uid": user.uid, "groups": list(user.groups), "resourceAttributes": deed.attributes()}
        review = await self._kube.create(ACCESS_REVIEWS, None, {"spec": spec})
        if (review.get("status") or {}).get("allowed") is not True:
            raise StreamError(f"Forbidden: user {user.name!r} may not {deed}", code=FORBIDDEN)
        if len(self._allowed) >= _MOST_REMEMBERED:
            self._allowed.clear()
        self._allowed[(user, deed)] = self._now() + GOOD_FOR


def _unasked(exc: KubeError) -> StreamError:
    return StreamError(f"the Kubernetes API could not be asked about access: {exc}", code=UNAVAILABLE)


def user_of(certificate: Mapping[str, Any]) -> User:
    """As ``ssl`` describes a certificate: the common name is the user, organisations are groups."""
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    name = next((str(value) for key, value in pairs if key == "commonName"), "")
    if not name:
        raise StreamError("Unauthorized: the client certificate has no common name", code=UNAUTHORIZED)
    return User(name, groups=(*(str(value) for key, value in pairs if key == "organizationName"), "system:authenticated"))


async def trust_clients(kube: Reviews, context: ssl.SSLContext) -> str:
    """Let ``context`` take client certificates of the API's CA; what it is now (PEM), empty where the API publishes none.

    Raises:
        KubeError: the API.
    """
    found = await kube.get(CONFIGMAPS, CA_NAMESPACE, CA_CONFIGMAP)
    pem = str((found.get("data") or {}).get(CA_KEY) or "")
    if pem:
        context.load_verify_locations(cadata=pem)
        context.verify_mode = ssl.CERT_OPTIONAL
    return pem
