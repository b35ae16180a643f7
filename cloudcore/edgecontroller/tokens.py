"""Which tokens of service accounts a node may have: those that its own pods project into their volumes (P5.11, X2). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudcore.edgecontroller.interest import node_of
from cloudcore.errors import Denied
from cloudcore.objects import uid_of
from cloudcore.ports import JsonObject
from viaduct.resource import ResourcePath
from viaduct.tokenrequest import USUAL_SECONDS, TokenRequest, request_content


def account_of(pod: JsonObject) -> str:
    spec = pod.get("spec") or {}
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def check(node: str, path: ResourcePath, request: TokenRequest, pod: JsonObject | None) -> None:
    """``path`` names the service account, ``pod`` is the newest that has the name in ``request``.

    Raises:
        Denied: it is not for this node, or not for this pod.
    """
    if pod is None or node_of(pod) != node or uid_of(pod) != request.uid:
        # One answer for all: a node does not learn which pods there are.
        raise Denied(f"{path}: pod {request.pod} ({request.uid}) is none of node {node}", "pod_of_another_node")
    if account_of(pod) != path.name:
        raise Denied(f"{path}: pod {request.pod} does not run under this service account", "not_named")
    if (request.audience, request.seconds) not in set(_projected(pod)):
        raise Denied(f"{path}: pod {request.pod} projects no such token into a volume", "not_named")


def asked_of_the_api(path: ResourcePath, request: TokenRequest) -> JsonObject:
    """The TokenRequest, made anew: nothing that a node wrote beside it goes through."""
    head = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    return {**head, "metadata": {"name": path.name, "namespace": path.namespace}, **request_content(request)}


def _projected(pod: JsonObject) -> Iterator[tuple[str, int]]:
    """(audience, seconds) of each token in a volume of the pod."""
    for volume in _list((pod.get("spec") or {}).get("volumes")):
        for part in _list((volume.get("projected") or {}).get("sources")):
            if isinstance(token := part.get("serviceAccountToken"), dict):
                yield str(token.get("audience") or ""), token.get("expirationSeconds") or USUAL_SECONDS


def _list(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
