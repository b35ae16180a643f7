"""HTTPS 10002: the CA's certificate and the signing of nodes' certificates (contract 2.8).

Who may have a certificate for a node: the bearer of a join token; who proves that he has the key of a certificate that the node was given,
be it out of date (A5), in TLS or by the two headers of P2.7. Such a proof is worth nothing to who overhears it: the answer is for the
body's key. Everybody may ask for the time (P2.8).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from cloudcore.cloudhub.pairing import PairingDesk
from cloudcore.cloudhub.throttle import Throttle
from cloudcore.errors import IdentityError, KubeError
from cloudcore.pki.authority import Authority
from cloudcore.pki.certificates import Issued, read_request, signed_by
from cloudcore.pki.registry import TokenRegistry
from cloudcore.pki.revocation import RevocationList
from cloudcore.pki.signing import check_node_name, check_request
from viaduct.handshake import (
    CA_PATH,
    EDGE_CERT_PATH,
    HEADER_CERTIFICATE,
    HEADER_NODE_NAME,
    HEADER_NONCE,
    HEADER_PROOF,
    TIME_PATH,
    is_nonce,
    node_of_common_name,
)
from viaduct.pairing import PAIR_PATH

BODY_LIMIT = 16 * 1024
BODY_TIME_S = 10.0
IN_PROGRESS_LIMIT = 64

logger = logging.getLogger(__name__)


class Unproven(IdentityError):
    """No token, or one that is not good."""


class NotAllowed(IdentityError):
    """The asker is known, and this is not for him."""


@dataclass(slots=True)
class Enrolment:
    """What the handlers need. ``now`` gives epoch seconds."""

    authority: Authority
    tokens: TokenRegistry
    revocations: RevocationList
    lifetime: timedelta
    ready: Callable[[], bool]
    now: Callable[[], float]
    throttle: Throttle
    in_progress: int = 0

    async def ca(self, request: web.Request) -> web.Response:
        return web.Response(body=self.authority.certificate, content_type="application/octet-stream")

    async def time(self, request: web.Request) -> web.Response:
        """What time it is, signed by the CA (P2.8)."""
        nonce = request.headers.get(HEADER_NONCE, "")
        if not is_nonce(nonce):
            return _text(400, f"header {HEADER_NONCE}: expected base64 of 16 to 64 bytes")
        statement, proof = self.authority.state_time(nonce, now=self.now())
        return web.Response(body=statement, content_type="text/plain", headers={HEADER_PROOF: base64.b64encode(proof).decode()})

    async def readyz(self, request: web.Request) -> web.Response:
        return _text(200, "ok") if self.ready() else _text(503, "not ready")

    async def certificate(self, request: web.Request) -> web.Response:
        """Answer one request for a certificate; every refusal says in one line what is wrong."""
        address = request.remote or ""
        if wait_s := self.throttle.wait_s(address, self.now()):
            return _text(429, "too many refused requests from this address", retry_s=wait_s)
        try:
            node = request.headers.get(HEADER_NODE_NAME, "")
            check_node_name(node)
            # Not in progress yet: who sends slowly waits for himself, and takes no one's turn.
            async with asyncio.timeout(BODY_TIME_S):
                body = await request.read()
            return await self._in_turn(request, node, body)
        except (IdentityError, KubeError, TimeoutError) as exc:
            if isinstance(exc, IdentityError):
                self.throttle.failed(address, self.now())
            status, text = _refusal(exc)
            logger.warning("certificate for node %.64r refused to %s: %s", request.headers.get(HEADER_NODE_NAME, ""), address, text)
            return _text(status, text, retry_s=5 if status == 503 else 0)

    async def _in_turn(self, request: web.Request, node: str, body: bytes) -> web.Response:
        if self.in_progress >= IN_PROGRESS_LIMIT:
            return _text(503, "too many requests at once", retry_s=1)
        self.in_progress += 1
        try:
            return await self._answer(request, node, body)
        finally:
            self.in_progress -= 1

    async def _answer(self, request: web.Request, node: str, body: bytes) -> web.Response:
        asked = read_request(body)
        check_request(asked)
        how = await self._let_in(request, node, body, asked.key_print)
        certificate = self.authority.sign_node(body, node, now=self.now(), lifetime=self.lifetime)
        logger.info("certificate for node %s signed (%s)", node, how)
        return web.Response(body=certificate, content_type="application/octet-stream")

    async def _let_in(self, request: web.Request, node: str, body: bytes, key_print: bytes) -> str:
        """How the asker is entitled to a certificate for ``node``, in a word for the log.

        Raises:
            IdentityError: he is not. KubeError: the API failed, so that nobody can tell.
        """
        await self.revocations.refresh()
        if (shown := self._shown(request, body)) is not None:
            self._check_own(shown, node)
            return "renewal"
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer.strip():
            raise Unproven("header Authorization: expected 'Bearer <token>', or a certificate of this node")
        try:
            revoked = self.revocations.revoked_at(node)
            await self.tokens.admit(bearer.strip(), node=node, public_key=key_print, now=self.now(), revoked=revoked)
        except IdentityError as exc:
            raise Unproven(str(exc)) from exc
        return "token"

    def _shown(self, request: web.Request, body: bytes) -> Issued | None:
        """The certificate of which the asker has the key, or None where he shows none."""
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        if tls is not None and (der := tls.getpeercert(True)):
            return self.authority.read_issued(der)
        if HEADER_CERTIFICATE not in request.headers:
            return None
        der = _decoded(request, HEADER_CERTIFICATE)
        try:
            issued = self.authority.read_issued(der)
        except IdentityError as exc:
            raise Unproven(f"header {HEADER_CERTIFICATE}: {exc}") from exc
        if not signed_by(der, _decoded(request, HEADER_PROOF), body):
            raise Unproven(f"header {HEADER_PROOF}: not a signature of that certificate's key over the body")
        return issued

    def _check_own(self, shown: Issued, node: str) -> None:
        owner = node_of_common_name(shown.common_name)
        if owner != node:
            raise NotAllowed(f"header NodeName: the certificate shown is that of {shown.common_name[:80]!r}, not of node {node}")
        if self.revocations.is_revoked(node, shown.serial):
            raise NotAllowed(f"the certificate shown was revoked; node {node} needs a join token")


def enrolment_app(
    authority: Authority,
    tokens: TokenRegistry,
    revocations: RevocationList,
    *,
    desk: PairingDesk | None = None,
    lifetime: timedelta = timedelta(days=365),
    ready: Callable[[], bool] = lambda: True,
    now: Callable[[], float] = time.time,
) -> web.Application:
    """The application for port 10002; serve it under ``server_ssl_context(..., client_required=False)``. No ``desk``: no pairing."""
    enrolment = Enrolment(authority, tokens, revocations, lifetime, ready, now, Throttle())
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_get(CA_PATH, enrolment.ca)
    app.router.add_get(EDGE_CERT_PATH, enrolment.certificate)
    app.router.add_get(TIME_PATH, enrolment.time)
    app.router.add_get("/readyz", enrolment.readyz)
    if desk is not None:
        app.router.add_post(PAIR_PATH, desk.pair)
    return app


def _refusal(exc: Exception) -> tuple[int, str]:
    if isinstance(exc, Unproven):
        return 401, str(exc)
    if isinstance(exc, NotAllowed):
        return 403, str(exc)
    if isinstance(exc, IdentityError):
        return 400, str(exc)
    if isinstance(exc, TimeoutError):
        return 408, f"body: not received within {BODY_TIME_S:.0f} s"
    return 503, "the Kubernetes API does not answer CloudCore now; try again"


def _decoded(request: web.Request, header: str) -> bytes:
    try:
        return base64.b64decode(request.headers.get(header, ""), validate=True)
    except (binascii.Error, ValueError):
        raise Unproven(f"header {header}: expected base64") from None


def _text(status: int, text: str, *, retry_s: float = 0) -> web.Response:
    headers = {"Retry-After": str(int(retry_s) + 1)} if retry_s else None
    return web.Response(status=status, text=text + "\n", headers=headers)
