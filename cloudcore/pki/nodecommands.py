"""``cloudcore node list|revoke|allow``: which boards may come in (X3)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from cloudcore.errors import IdentityError, KubeNotFound
from cloudcore.kube.client import Listing
from cloudcore.kube.resources import NODES, Resource
from cloudcore.pki.commands import add_cluster_flags
from cloudcore.pki.kubesecrets import KubeObjects, KubeSecrets
from cloudcore.pki.revocation import RevocationList
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.table import date, table


class KubeNodes(KubeObjects, Protocol):
    """A Kubernetes client that lists as well."""

    async def list(self, resource: Resource, namespace: str | None = None) -> Listing: ...


def add_node_parser(subparsers: Any) -> None:
    """Add ``node`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.run``."""
    node = subparsers.add_parser("node", help="list boards, refuse one, take it back")
    commands = node.add_subparsers(dest="node_command", required=True, metavar="list|revoke|allow")
    listing = commands.add_parser("list", help="print nodes, whether they are ready, and which are refused")
    revoke = commands.add_parser("revoke", help="refuse every certificate and token that a node has so far, at once")
    allow = commands.add_parser("allow", help="undo a revocation: the node's certificate is good again")
    for parser in (revoke, allow):
        parser.add_argument("name", metavar="NAME")
    for parser in (listing, revoke, allow):
        add_cluster_flags(parser, run_node)


async def run_node(args: argparse.Namespace, kube: KubeNodes) -> str:
    """Do what the parsed arguments ask for; the text to print.

    Raises:
        IdentityError: no such name, or one that is not revoked. KubeError: the API failed.
    """
    revocations = RevocationList(KubeSecrets(kube))
    if args.node_command == "list":
        await revocations.refresh()
        return node_table((await kube.list(NODES)).items, revocations.all())
    check_node_name(args.name, of="NAME")
    if args.node_command == "revoke":
        await revocations.revoke(args.name, now=time.time())
        return await _revoked(args.name, kube)
    if not await revocations.allow(args.name):
        raise IdentityError(f"node {args.name} is not revoked; cloudcore node list shows which are")
    return f"node {args.name} allowed: the certificates that it had before are good again"


async def _revoked(name: str, kube: KubeNodes) -> str:
    """A name mistyped is worth a word, a board that never registered may be revoked all the same."""
    done = f"node {name} revoked; a token made from now on brings it back, or: cloudcore node allow {name}"
    try:
        await kube.get(NODES, None, name)
    except KubeNotFound:
        return f"{done}\nnote: the cluster has no Node {name} (cloudcore node list)"
    return done


def node_table(nodes: Iterable[Mapping[str, Any]], revoked: Mapping[str, float]) -> str:
    """Every node of the cluster, and every name that was revoked; ``revoked`` in epoch seconds."""
    ready = {str(node["metadata"]["name"]): _ready(node) for node in nodes}
    names = sorted({*ready, *revoked})
    return table(("NAME", "READY", "REVOKED"), [(name, ready.get(name, "-"), _since(revoked.get(name))) for name in names])


def _ready(node: Mapping[str, Any]) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((str(condition.get("status")) for condition in conditions if condition.get("type") == "Ready"), "Unknown")


def _since(revoked: float | None) -> str:
    return "-" if revoked is None else date(revoked)
