"""How two shores meet (contract 2.1, 2.8; P2): URL paths, header names, ports, and the choice of the delivery mode."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

HUB_PORT = 10000
QUIC_PORT = 10001
HTTPS_PORT = 10002

CA_PATH = "/ca.crt"
EDGE_CERT_PATH = "/edge.crt"
TIME_PATH = "/time"

SERVER_NAME = "cloudcore.bramble"
"""In every certificate that a CloudCore shows, wherever it is reached (P2.9)."""

DEFAULT_PROJECT_ID = "e632aba927ea4ac2b575ec1603d56f10"
HEADER_NODE = "node_id"
HEADER_PROJECT = "project_id"
HEADER_USE = "ConnectionUse"
USE_MESSAGES = "msg"
USE_STREAMS = "str"
"""The stream connection (P7.7)."""
HEADER_NODE_NAME = "NodeName"
"""On /edge.crt: the node that asks for a certificate."""
HEADER_CERTIFICATE = "Bramble-Certificate"
HEADER_PROOF = "Bramble-Proof"
"""On /edge.crt, for renewal (P2.7): base64 of a certificate of the node (DER), and of its key's signature (SHA-256) over the body."""
HEADER_NONCE = "Bramble-Nonce"
"""On /time: base64 of what the answer must repeat. The answer carries the proof of the CA's key (P2.8)."""

HEADER_MODES = "Bramble-Delivery"
"""In the upgrade request: the modes that the edge speaks, best first, e.g. ``ledger, plain``. In the answer: the one chosen."""

HEADER_PING = "Bramble-Ping"
"""In the upgrade, ledger mode: the seconds between two pings on an idle link that the edge asks for; in the answer: those agreed (P2.5)."""
LONGEST_PING = 3600

NODE_USER_PREFIX = "system:node:"
NODE_GROUP = "system:nodes"


class Mode(StrEnum):
    """PLAIN: the rules of KubeEdge 1.2 (the other end is KubeEdge). LEDGER: both ends are Bramble."""

    PLAIN = "plain"
    LEDGER = "ledger"


_TIME_HEADING = "bramble time"
_NONCE_TEXT_LIMIT = 88
_NONCE_TEXT_LEAST = 22


def is_nonce(text: str) -> bool:
    """Whether it may be base64 of 16 to 64 bytes (P2.8)."""
    return _NONCE_TEXT_LEAST <= len(text) <= _NONCE_TEXT_LIMIT and text.isascii() and all(c.isalnum() or c in "+/=" for c in text)


def time_statement(seconds: int, nonce: str) -> bytes:
    """What the CA's key signs to say what time it is (P2.8). No certificate or token begins like that, so it is good for nothing else."""
    return f"{_TIME_HEADING}\n{seconds}\n{nonce}\n".encode("ascii")


def read_time_statement(statement: bytes, nonce: str) -> int | None:
    """The seconds of a statement that answers ``nonce``; None for any other text. The signature is checked elsewhere."""
    lines = statement.decode("ascii", "replace").split("\n")
    if len(lines) != 4 or (lines[0], lines[2], lines[3]) != (_TIME_HEADING, nonce, "") or not 0 < len(lines[1]) <= 11:
        return None
    return int(lines[1]) if lines[1].isdecimal() and lines[1].isascii() else None


def events_path(project: str, node: str) -> str:
    """Path that the edge dials. The server accepts any path; identity comes from the certificate."""
    return f"/{project}/{node}/events"


def streams_path(project: str, node: str) -> str:
    """Path that the edge dials for the stream connection (P7.7)."""
    return f"/{project}/{node}/streams"


def choose_mode(headers: Mapping[str, str]) -> Mode:
    """The mode for a connection whose request (or answer) had these headers; no header means KubeEdge, so PLAIN."""
    for name, value in headers.items():
        if name.lower() == HEADER_MODES.lower():
            offered = [part.strip().lower() for part in value.split(",")]
            return Mode.LEDGER if Mode.LEDGER in offered else Mode.PLAIN
    return Mode.PLAIN


def ping_interval(headers: Mapping[str, str]) -> int | None:
    """Seconds between two pings that these headers of a request or answer name; None where they name none.

    Raises:
        ValueError: what they name is no number of seconds from 1 to ``LONGEST_PING``.
    """
    for name, value in headers.items():
        if name.lower() == HEADER_PING.lower():
            if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= LONGEST_PING):
                raise ValueError(f"header {HEADER_PING}: expected seconds from 1 to {LONGEST_PING}, got {value[:64]!r}")
            return int(value)
    return None


def node_of_common_name(common_name: str) -> str | None:
    """``system:node:edge1`` to ``edge1``; None for any other name."""
    if not common_name.startswith(NODE_USER_PREFIX):
        return None
    return common_name.removeprefix(NODE_USER_PREFIX) or None
