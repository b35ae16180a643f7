"""A client that may do what packaging/manifests/rbac.yaml grants, and nothing else: refusals are those of a cluster with RBAC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cloudcore.errors import KubeForbidden
from cloudcore.kube.client import KubeClient, WatchEvent
from cloudcore.kube.resources import Resource

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MANIFEST = Path(__file__).parents[2] / "packaging/manifests/rbac.yaml"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Right(NamedTuple):
    """``resource`` as RBAC writes it: ``pods/status``. ``namespace`` "": everywhere. ``name`` "": every object."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@cache
def granted() -> frozenset[Right]:
    found = set()
    for document in yaml.load_all(MANIFEST.read_text(), _Loader):
        namespace = document["metadata"].get("namespace", "")
        for rule in document.get("rules") or ():
            for verb in rule["verbs"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        found |= {Right(verb, group, resource, namespace, name) for name in rule.get("resourceNames") or ("",)}
    return frozenset(found)


def right_for(asked: Right) -> Right | None:
    """What grants ``asked``, which names its namespace and object."""
    wide = (
        asked,
        asked._replace(namespace=""),
        asked._replace(name=""),
        asked._replace(namespace="", name=""),
    )
    return next((right for right in wide if right in granted()), None)


def asked_by(method: str, path: str) -> Right:
    """``PUT /api/v1/namespaces/default/pods/web/status`` as a right."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest, "", ""][:3]
    verb = ("get" if name else "list") if method == "GET" else _VERBS[method]
    return Right(verb, group, f"{plural}/{subresource}" if subresource else plural, namespace, "" if verb == "create" else name)


class RightfulClient(KubeClient):
    """``used`` and ``denied`` gather over the whole run, as CloudCore goes through its retries alone."""

    used: set[Right] = set()
    denied: set[Right] = set()

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        self._check(asked_by(method, path))
        return await super()._call(method, path, **more)

    async def watch(self, resource: Resource, version: str, namespace: str | None = None, **more: Any) -> AsyncGenerator[WatchEvent, None]:
        self._check(Right("watch", resource.group, resource.plural, namespace or ""))
        async for event in super().watch(resource, version, namespace, **more):
            yield event

    def _check(self, asked: Right) -> None:
        right = right_for(asked)
        if right is None:
            self.denied.add(asked)
            raise KubeForbidden(f"{asked}: forbidden by rbac.yaml", code=403, reason="Forbidden")
        self.used.add(right)
