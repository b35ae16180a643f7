"""OpenAPI, as much as clients ask for: which kinds there are, that writes take ``fieldValidation``, and the schemas of custom
kinds. Built-in kinds carry no schema here, so `kubectl apply` uses the ones it was built with.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cloudstub.kinds.catalog import Catalog
from cloudstub.kinds.kind import Kind

Document = dict[str, Any]
_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def index(catalog: Catalog) -> Document:
    """``/openapi/v3``: where each group version is described. The hash changes with the kinds."""
    paths = {"api/v1": _link(catalog, "", "v1", "api/v1")}
    for group, versions in catalog.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}"
            paths[path] = _link(catalog, group, version, path)
    return {"paths": paths}


def _link(catalog: Catalog, group: str, version: str, path: str) -> Document:
    text = json.dumps(group_version(catalog, group, version), sort_keys=True)
    return {"serverRelativeURL": f"/openapi/v3/{path}?hash={hashlib.sha256(text.encode()).hexdigest()[:32].upper()}"}


def group_version(catalog: Catalog, group: str, version: str) -> Document | None:
    """``/openapi/v3/apis/<group>/<version>``."""
    kinds = catalog.of_group(group, version)
    if not kinds:
        return None
    schemas: Document = {_META: {"type": "object"}} | {_model(kind, version): _schema(kind, version) for kind in kinds}
    paths = {path: item for kind in kinds for path, item in _paths(kind, version).items()}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _model(kind: Kind, version: str) -> str:
    return ".".join([*reversed((kind.group or "core.api.k8s.io").split(".")), version, kind.kind])


def _schema(kind: Kind, version: str) -> Document:
    declared = kind.versions[version].schema
    schema: Document = dict(declared) if declared else {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if declared:
        described = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        schema["properties"] = {**described, **(declared.get("properties") or {})}
    return {**schema, "x-kubernetes-group-version-kind": [_gvk(kind, version)]}


def _gvk(kind: Kind, version: str) -> Document:
    return {"group": kind.group, "version": version, "kind": kind.kind}


def _paths(kind: Kind, version: str) -> Document:
    root = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    base = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    reference = {"$ref": f"#/components/schemas/{_model(kind, version)}"}
    content = {"application/json": {"schema": reference}}
    operation = {
        "parameters": _PARAMETERS,
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-group-version-kind": _gvk(kind, version),
    }
    body = {"requestBody": {"content": content}}
    collection = {"post": {**operation, **body, "x-kubernetes-action": "post"}} if "create" in kind.verbs else {}
    if not kind.stored:
        return {base: collection}
    collection["get"] = {**operation, "x-kubernetes-action": "list"}
    patch = {"requestBody": {"content": {"application/merge-patch+json": {"schema": {"type": "object"}}}}}
    item = {
        "get": {**operation, "x-kubernetes-action": "get"},
        "put": {**operation, **body, "x-kubernetes-action": "put"},
        "patch": {**operation, **patch, "x-kubernetes-action": "patch"},
        "delete": {**operation, "x-kubernetes-action": "delete"},
    }
    return {base: collection, f"{base}/{{name}}": item}


LEGACY_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""The only form of ``/openapi/v2`` that kubectl before 1.24 reads (Debian 12 has 1.20); without it `kubectl apply` refuses to work."""


def legacy(version: str) -> Document:
    """``/openapi/v2``: valid, and empty; what a client wants to know is in v3."""
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": version}, "paths": {}, "definitions": {}}


def legacy_protobuf(version: str) -> bytes:
    """The same as the message ``openapi.v2.Document``: swagger is its field 1, info (title 1, version 2) 2, paths 8."""
    info = _field(1, b"Kubernetes") + _field(2, version.encode())
    return _field(1, b"2.0") + _field(2, info) + _field(8, b"")


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of protobuf; ``value`` shorter than 128 bytes."""
    return bytes((number << 3 | 2, len(value))) + value
