"""What a board and port 10002 say to each other beyond KubeEdge's words (P2.7, P2.8), as recorded: each end reads what the other wrote."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cloudcore.pki.certificates import read_request, signed_by
from edgecore.certs import keys
from tests.wire.recording import FOLDER
from viaduct.handshake import (
    EDGE_CERT_PATH,
    HEADER_CERTIFICATE,
    HEADER_NODE_NAME,
    HEADER_NONCE,
    HEADER_PROOF,
    TIME_PATH,
    is_nonce,
    read_time_statement,
    time_statement,
)


def exchange(name: str) -> Any:
    return json.loads((FOLDER / "identity" / f"{name}.json").read_text("utf-8"))


def bytes_of(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def test_a_signed_time_is_read_and_proven() -> None:
    recorded = exchange("time")
    nonce, statement = recorded["request"]["headers"][HEADER_NONCE], recorded["answer"]["body"].encode()
    proof = bytes_of(recorded["answer"]["headers"][HEADER_PROOF])
    assert recorded["request"]["path"] == TIME_PATH and is_nonce(nonce)
    assert read_time_statement(statement, nonce) == 1_764_000_000
    assert time_statement(1_764_000_000, nonce) == statement
    assert keys.signed_by(bytes_of(recorded["authority"]), proof, statement)
    assert not keys.signed_by(bytes_of(recorded["authority"]), proof, statement.replace(b"1764", b"1765"))


def test_a_renewal_is_read_and_proven() -> None:
    recorded = exchange("renewal")
    headers, body = recorded["request"]["headers"], bytes_of(recorded["request"]["body"])
    certificate, proof = bytes_of(headers[HEADER_CERTIFICATE]), bytes_of(headers[HEADER_PROOF])
    assert (recorded["request"]["path"], headers[HEADER_NODE_NAME]) == (EDGE_CERT_PATH, "edge1")
    assert read_request(body).proven
    assert signed_by(certificate, proof, body) and not signed_by(certificate, proof, body + b"x")
    renewed = keys.describe(keys.to_pem(bytes_of(recorded["answer"]["body"])), keys.to_pem(bytes_of(recorded["authority"])))
    assert renewed.node == "edge1"


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"bramble time\n5\nother\n",
        b"bramble time\n5\nnonce",
        b"bramble time\n5\nnonce\nmore\n",
        b"time\n5\nnonce\n",
        b"bramble time\n-5\nnonce\n",
        b"bramble time\n5.5\nnonce\n",
        b"bramble time\n\nnonce\n",
        b"bramble time\n" + b"9" * 12 + b"\nnonce\n",
        "bramble time\n٥\nnonce\n".encode(),
        b"\xff\xfe",
    ],
)
def test_what_is_no_statement_of_the_time_is_none(statement: bytes) -> None:
    assert read_time_statement(statement, "nonce") is None


@pytest.mark.parametrize("text", ["", "A" * 21, "A" * 89, "A" * 21 + "\n", "A" * 30 + " ", "ü" * 30, "A" * 30 + "."])
def test_what_is_no_nonce_is_refused(text: str) -> None:
    assert not is_nonce(text)
