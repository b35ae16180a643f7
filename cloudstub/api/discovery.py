"""Which groups, versions and resources there are: the classic documents and the aggregated one."""

from __future__ import annotations

from typing import Any

from cloudstub.kinds.catalog import Catalog
from cloudstub.kinds.kind import Kind

Document = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}
SUBRESOURCE_VERBS = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "binding": ("create",),
    "finalize": ("update",),
    "log": ("get",),
    "exec": ("create", "get"),
    "attach": ("create", "get"),
    "portforward": ("create", "get"),
}


def core_versions(address: str) -> Document:
    """``/api``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(catalog: Catalog) -> Document:
    """``/apis``."""
    groups = [_group(name, versions) for name, versions in catalog.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(catalog: Catalog, name: str) -> Document | None:
    """``/apis/<group>``."""
    versions = catalog.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _group(name: str, versions: list[str]) -> Document:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def resource_list(catalog: Catalog, group_name: str, version: str) -> Document | None:
    """``/api/v1`` and ``/apis/<group>/<version>``."""
    kinds = catalog.of_group(group_name, version)
    if not kinds:
        return None
    group_version = f"{group_name}/{version}" if group_name else version
    resources = [entry for kind in kinds for entry in _resources(kind, version)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _resources(kind: Kind, version: str) -> list[Document]:
    entry = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return [entry, *(_subresource(kind, name) for name in subresources(kind, version))]


def subresources(kind: Kind, version: str) -> list[str]:
    """The subresources that are served in one version."""
    return [name for name in kind.subresources if name != "status" or kind.serves_status(version)]


def _subresource(kind: Kind, name: str) -> Document:
    entry: Document = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(SUBRESOURCE_VERBS[name]),
    }
    if name in SUBRESOURCE_KINDS:
        group_name, version, kind_name = SUBRESOURCE_KINDS[name]
        entry |= {"group": group_name, "version": version, "kind": kind_name} if group_name else {"kind": kind_name}
    return entry


def aggregated(catalog: Catalog, *, core: bool) -> Document:
    """Everything of ``/api`` or of ``/apis`` at once (apidiscovery.k8s.io/v2)."""
    groups = {"": ["v1"]} if core else catalog.groups()
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
            "versions": [_aggregated_version(catalog, name, version) for version in versions],
        }
        for name, versions in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_version(catalog: Catalog, group_name: str, version: str) -> Document:
    resources = [_aggregated_resource(kind, version) for kind in catalog.of_group(group_name, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _aggregated_resource(kind: Kind, version: str) -> Document:
    entry: Document = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    below = [_aggregated_subresource(kind, version, name) for name in subresources(kind, version)]
    return {**entry, "subresources": below} if below else entry


def _aggregated_subresource(kind: Kind, version: str, name: str) -> Document:
    group_name, of_version, kind_name = SUBRESOURCE_KINDS.get(name, (kind.group, version, kind.kind))
    response = {"group": group_name, "version": of_version, "kind": kind_name}
    return {"subresource": name, "responseKind": response, "verbs": list(SUBRESOURCE_VERBS[name])}
