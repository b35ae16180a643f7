"""How two shores meet (contract 2.1, 2.8; P2): URL paths, header names, ports, and the choice of the delivery mode."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

HUB_PORT = 10000
QUIC_PORT = 10001
HTTPS_PORT = 10002

CA_PATH = "/ca.crt"
EDGE_CERT_PATH = "/edge.crt"

DEFAULT_PROJECT_ID = "e632aba927ea4ac2b575ec1603d56f10"
HEADER_NODE = "node_id"
HEADER_PROJECT = "project_id"
HEADER_USE = "ConnectionUse"
USE_MESSAGES = "msg"
HEADER_NODE_NAME = "NodeName"
"""On /edge.crt: the node that asks for a certificate."""
HEADER_CERTIFICATE = "Bramble-Certificate"
HEADER_PROOF = "Bramble-Proof"
"""On /edge.crt, for renewal: base64 of the certificate that the node has (DER), and of its key's signature (SHA-256) over the body."""

HEADER_MODES = "Bramble-Delivery"
"""In the upgrade request: the modes that the edge speaks, best first, e.g. ``ledger, plain``. In the answer: the one chosen."""

NODE_USER_PREFIX = "system:node:"
NODE_GROUP = "system:nodes"


class Mode(StrEnum):
    """PLAIN: the rules of KubeEdge 1.2 (the other end is KubeEdge). LEDGER: both ends are Bramble."""

    PLAIN = "plain"
    LEDGER = "ledger"


def events_path(project: str, node: str) -> str:
    """Path that the edge dials. The server accepts any path; identity comes from the certificate."""
    return f"/{project}/{node}/events"


def choose_mode(headers: Mapping[str, str]) -> Mode:
    """The mode for a connection whose request (or answer) had these headers; no header means KubeEdge, so PLAIN."""
    for name, value in headers.items():
        if name.lower() == HEADER_MODES.lower():
            offered = [part.strip().lower() for part in value.split(",")]
            return Mode.LEDGER if Mode.LEDGER in offered else Mode.PLAIN
    return Mode.PLAIN


def node_of_common_name(common_name: str) -> str | None:
    """``system:node:edge1`` to ``edge1``; None for any other name."""
    if not common_name.startswith(NODE_USER_PREFIX):
        return None
    return common_name.removeprefix(NODE_USER_PREFIX) or None
