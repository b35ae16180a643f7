"""Whose a CustomResourceDefinition in the cluster is, and what becomes of it. Pure.

Ours carry a version, which is raised with each change of ``cloudcore/crds``. Those that CloudCore made before there was one are known by
their digests. Whatever else has the name is somebody else's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

JsonObject = dict[str, Any]

MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "bramble-cloudcore"
VERSION_ANNOTATION = "bramble.io/definition-version"
_WITHOUT_VERSION = frozenset(
    (
        *("fd3e82f19403053c", "be3576a3b5498c9e", "43963468eab45408", "aa7536226f60364f"),
        *("93acf5702336792d", "2ccd0cbe9176583d", "b29f830c6a5e4623"),
        *("46ead371fedbbcef", "8227a58cc59d22ff", "9b245edba892d7b6", "17ca3b1fc9e27837", "987329b07b029743", "d8eff2eda34c9b75"),
    )
)
"""Digests of clusterobjectsyncs, objectsyncs, devicemodels and devices as they were made before they carried a version."""


class Fate(Enum):
    KEEP = auto()
    UPGRADE = auto()
    NEWER = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the API server finds CloudCore's webhooks: at ``url`` (``https://host:port``), or behind ``service`` (namespace, name)."""

    ca_pem: str
    url: str = ""
    service: tuple[str, str] | None = None

    def client(self, path: str) -> JsonObject:
        """The ``clientConfig`` for a webhook at ``path``."""
        bundle = base64.b64encode(self.ca_pem.encode()).decode()
        if self.service is None:
            return {"url": f"{self.url}{path}", "caBundle": bundle}
        namespace, name = self.service
        return {"service": {"namespace": namespace, "name": name, "path": path, "port": 443}, "caBundle": bundle}


def equipped(definition: JsonObject, webhook: Webhook | None) -> JsonObject:
    """``definition`` with every version served and conversion by ``webhook``; without one it is as it ships."""
    versions = definition["spec"]["versions"]
    if webhook is None or len(versions) < 2:
        return definition
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": webhook.client("/convert"), "conversionReviewVersions": ["v1"]}}
    return definition | {
        "spec": definition["spec"] | {"versions": [version | {"served": True} for version in versions], "conversion": conversion}
    }


def fate_of(there: JsonObject, wanted: JsonObject) -> Fate:
    """What becomes of the definition in the cluster, where we want ``wanted``."""
    have = _version_of(there)
    if have is None:
        return Fate.UPGRADE if digest(there) in _WITHOUT_VERSION else Fate.FOREIGN
    ours = _version_of(wanted) or 0
    if have != ours:
        return Fate.UPGRADE if have < ours else Fate.NEWER
    return Fate.KEEP if _door_of(there) == _door_of(wanted) else Fate.UPGRADE


def is_ours(obj: JsonObject) -> bool:
    return ((obj.get("metadata") or {}).get("labels") or {}).get(MANAGED_BY) == OWNER


def serves(definition: JsonObject, version: str) -> bool:
    versions = (definition.get("spec") or {}).get("versions") or []
    return any(one.get("name") == version and one.get("served") for one in versions)


def upgraded(there: JsonObject, wanted: JsonObject) -> JsonObject:
    """The definition to write over ``there``. Labels and annotations of others stay."""
    metadata = dict(there["metadata"])
    for field in ("labels", "annotations"):
        metadata[field] = (metadata.get(field) or {}) | wanted["metadata"].get(field, {})
    spec = wanted["spec"] if "conversion" in wanted["spec"] else wanted["spec"] | {"conversion": {"strategy": "None"}}
    return there | {"metadata": metadata, "spec": spec}


def digest(definition: JsonObject) -> str:
    """Of what an API server leaves as it was sent."""
    spec = definition.get("spec") or {}
    text = json.dumps({key: spec.get(key) for key in ("group", "scope", "versions")}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _version_of(definition: JsonObject) -> int | None:
    """None: it carries none of ours."""
    text = str(((definition.get("metadata") or {}).get("annotations") or {}).get(VERSION_ANNOTATION, ""))
    return int(text) if is_ours(definition) and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _door_of(definition: JsonObject) -> Any:
    """What may differ between two starts of one CloudCore: which versions are served, and where the webhook is."""
    spec = definition["spec"]
    conversion = spec.get("conversion") or {}
    client = (conversion.get("webhook") or {}).get("clientConfig") or {}
    return conversion.get("strategy", "None"), client, [(version["name"], version.get("served")) for version in spec["versions"]]
