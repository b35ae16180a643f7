"""packaging/manifests/rbac.yaml grants exactly what CloudCore does (X2 towards the cluster): it runs under these rights in all tests of
``world()``; here they are compared with every call in the code."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import cloudcore
from cloudcore.edgecontroller.upstream import _ASKABLE
from cloudcore.kube import resources
from cloudcore.kube.resources import CLUSTER_OBJECT_SYNCS, OBJECT_SYNCS, Resource
from tests.fakes.rights import Right, asked_by, granted, right_for

_VERBS = {"get", "list", "create", "update", "patch", "delete"}
COMMANDS = {"nodecommands.py"}
"""`cloudcore node` runs with the rights of whoever calls it."""


def test_every_call_in_the_code_is_granted_and_nothing_is_granted_that_no_call_needs() -> None:
    needed = {(verb, resource.group, plural) for verb, resource, plural in _calls()}
    assert {(right.verb, right.group, right.resource) for right in granted()} == needed


def test_what_has_a_name_of_its_own_is_granted_by_that_name_or_in_its_namespace() -> None:
    crds = [right for right in granted() if right.resource == "customresourcedefinitions" and right.verb != "create"]
    assert crds and all(right.name for right in crds)
    assert right_for(Right("update", "", "secrets", "default", "mine")) is None
    assert right_for(Right("update", "", "secrets", "kubeedge", "casecret")) is not None
    assert right_for(Right("patch", "coordination.k8s.io", "leases", "default", "edge1")) is None


def test_a_request_is_told_as_rbac_sees_it() -> None:
    assert asked_by("PUT", "/api/v1/namespaces/default/pods/web/status") == Right("update", "", "pods/status", "default", "web")
    assert asked_by("GET", "/apis/devices.kubeedge.io/v1alpha1/devices") == Right("list", "devices.kubeedge.io", "devices")
    assert asked_by("POST", "/api/v1/namespaces") == Right("create", "", "namespaces")


def _calls() -> Iterator[tuple[str, Resource, str]]:
    """(verb, resource, plural with its subresource) of every call of a client, and of every informer."""
    for path in sorted(Path(cloudcore.__file__).parent.rglob("*.py")):
        if path.name in COMMANDS:
            continue
        dotted = ".".join(path.relative_to(Path(cloudcore.__file__).parents[1]).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name) and node.args:
                yield from _of_call(node, dotted, informers=path.name == "app.py")


def _of_call(node: ast.Call, module: str, *, informers: bool) -> Iterator[tuple[str, Resource, str]]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    verb = "get" if called == "_read" else called
    named = node.args[0]
    subresource = next((ast.literal_eval(one.value) for one in node.keywords if one.arg == "subresource" and _is_text(one.value)), "")
    if verb not in _VERBS:
        return
    for resource in _resources(named, module):
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        if informers:
            yield from (("list", resource, plural), ("watch", resource, plural))
        else:
            yield verb, resource, plural


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _resources(named: ast.expr, module: str) -> tuple[Resource, ...]:
    match named:
        case ast.Name(id="resource"):
            return tuple(_ASKABLE.values())
        case ast.Attribute(attr="resource"):
            return (OBJECT_SYNCS, CLUSTER_OBJECT_SYNCS)
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="resources"), attr=name):
            found = getattr(resources, name, None) or getattr(importlib.import_module(module), name, None)
            return (found,) if isinstance(found, Resource) else ()
    return ()
