"""Getting and renewing the node's certificate and asking for a signed time, as a short-lived process (``python -m edgecore.certs.enrol``).

The process reads one JSON object from standard input (a token has no place in a command line that everybody can list) and writes one to
standard output: ``{}`` when done (``{"time": seconds}`` to a question for the time), ``{"error": text}`` with exit code 1 when not. See
renewal.py for the asking side.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from pathlib import Path
from typing import Any

from edgecore.certs import enrolmentlink, keys, rotation
from edgecore.certs.clock import SignedClock, write_down
from edgecore.certs.files import IdentityFiles, read_file, settle, store_pair, stored_identity, write_whole
from edgecore.certs.identity import NodeIdentity, to_json
from edgecore.certs.jointoken import Endpoint, JoinToken, parse_token
from edgecore.errors import IdentityError
from viaduct.handshake import HEADER_CERTIFICATE, HEADER_NODE_NAME, HEADER_PROOF, read_time_statement


def enrol(cloud: Endpoint, token: JoinToken, node: str, files: IdentityFiles) -> NodeIdentity:
    """A first certificate for ``node``; CA, key and certificate are written when all is well, and only then.

    Raises:
        IdentityError: with what may help.
    """
    ca_der = enrolmentlink.fetch_ca(cloud, token.pin)
    ca_pem = keys.to_pem(ca_der)
    signed = signed_time(cloud, ca_der)
    candidate = keys.make_candidate(node)
    headers = {"Authorization": f"Bearer {token.bearer}", HEADER_NODE_NAME: node}
    der = enrolmentlink.request_certificate(cloud, ca_pem, candidate.request, headers, now=_now(signed, files))
    pem, identity = _checked(der, ca_pem, node)
    write_whole(files.ca, ca_pem, 0o644)
    _write_down(files, signed)
    store_pair(files, pem, candidate.key_pem, identity)
    return identity


def renew(cloud: Endpoint, files: IdentityFiles) -> NodeIdentity:
    """Another certificate for the same node with a fresh key, by proof of the old one, which may be out of date (A5).

    Raises:
        IdentityError: with what may help; the old certificate stays.
    """
    settle(files)
    ca_pem, old = read_file(files.ca), read_file(files.certificate)
    known = keys.describe(old, ca_pem)
    now = _now(ask_time(cloud, files), files)
    candidate = keys.make_candidate(known.node)
    proof = keys.sign(read_file(files.key), candidate.request)
    headers = {
        HEADER_NODE_NAME: known.node,
        HEADER_CERTIFICATE: base64.b64encode(keys.to_der(old)).decode(),
        HEADER_PROOF: base64.b64encode(proof).decode(),
    }
    # KubeEdge's cloud knows renewal by TLS only; a certificate out of date would end the handshake.
    shown = files if rotation.is_valid(known, now) else None
    der = enrolmentlink.request_certificate(cloud, ca_pem, candidate.request, headers, now=now, shown=shown)
    pem, identity = _checked(der, ca_pem, known.node)
    store_pair(files, pem, candidate.key_pem, identity)
    return identity


def ask_time(cloud: Endpoint, files: IdentityFiles) -> int | None:
    """The time as the cluster's CA signs it, written down as well; None from a cloud that signs none (KubeEdge).

    Raises:
        IdentityError: the cloud cannot be reached, or the answer is not one of this CA to this question.
    """
    signed = signed_time(cloud, keys.to_der(read_file(files.ca)))
    _write_down(files, signed)
    return signed


def signed_time(cloud: Endpoint, ca_der: bytes) -> int | None:
    """The time as the CA (DER) signs it, written down nowhere. Raises: IdentityError as ``ask_time``."""
    nonce = base64.b64encode(secrets.token_bytes(32)).decode()
    answer = enrolmentlink.fetch_time(cloud, nonce)
    if answer is None:
        return None
    statement, proof = answer
    signed = read_time_statement(statement, nonce)
    if signed is None or not keys.signed_by(ca_der, proof, statement):
        raise IdentityError(f"the time that {cloud} states is not signed by the CA of this cluster")
    return signed


def _now(signed: int | None, files: IdentityFiles) -> float:
    return SignedClock(files.signed_time).now() if signed is None else signed


def _write_down(files: IdentityFiles, signed: int | None) -> None:
    if signed is not None:
        write_down(files.signed_time, signed)


def describe(files: IdentityFiles) -> NodeIdentity:
    """The facts of the certificate that is there (made by another program, perhaps), written beside it.

    Raises:
        IdentityError: it is not good.
    """
    settle(files)
    known = stored_identity(files)
    if known is None:
        known = keys.describe(read_file(files.certificate), read_file(files.ca))
        write_whole(files.facts, to_json(known), 0o644)
    return known


def _checked(der: bytes, ca_pem: bytes, node: str) -> tuple[bytes, NodeIdentity]:
    pem = keys.to_pem(der)
    identity = keys.describe(pem, ca_pem)
    if identity.node != node:
        raise IdentityError(f"the cloud gave a certificate for node {identity.node}, asked was one for {node}")
    return pem, identity


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    files = IdentityFiles(*(Path(asked[name]) for name in ("ca", "certificate", "key")))
    if asked["action"] == "describe":
        describe(files)
        return {}
    cloud = Endpoint(asked["host"], asked["port"])
    if asked["action"] == "time":
        return {"time": ask_time(cloud, files)}
    if asked["action"] == "renew":
        renew(cloud, files)
    else:
        enrol(cloud, parse_token(asked["token"]), asked["node"], files)
    return {}


def main() -> int:
    try:
        answer = _run(json.load(sys.stdin))
    except IdentityError as exc:
        json.dump({"error": str(exc)}, sys.stdout)
        return 1
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
