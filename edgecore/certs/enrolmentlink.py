"""The door to CloudCore's port 10002 (contract 2.8, P2.4, P2.8): the CA, the time, a certificate. Errors say what may help."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any

from edgecore.certs.files import IdentityFiles
from edgecore.certs.jointoken import Endpoint
from edgecore.certs.trust import Doubt, cloud_context, doubt
from edgecore.errors import IdentityError
from viaduct.handshake import CA_PATH, EDGE_CERT_PATH, HEADER_NONCE, HEADER_PROOF, TIME_PATH
from viaduct.pairing import PAIR_PATH

TIME_S = 20.0
PAIR_TIME_S = 10.0
ANSWER_LIMIT = 64 * 1024

_NOT_FOUND = 404


class _NotThere(IdentityError):
    """The cloud has nothing at that path."""


def fetch_ca(cloud: Endpoint, pin: str) -> bytes:
    """The CA (DER) whose hash is ``pin``. Nobody is trusted before the hash fits, so TLS is not verified here.

    Raises:
        IdentityError: not reachable, or another CA.
    """
    body, _ = _get(cloud, _open_context(), CA_PATH)
    if hashlib.sha256(body).hexdigest() != pin:
        raise IdentityError(
            f"the CA at {cloud} is not the one that the token was made for: the token is of another cluster, "
            "or somebody stands in between; nothing was sent to it"
        )
    return body


def fetch_time(cloud: Endpoint, nonce: str) -> tuple[bytes, bytes] | None:
    """What the cloud says about the time, and its proof (P2.8); None from a cloud that states none. TLS is not verified: whoever passes the
    answer on, only who has the CA's key can have made it.

    Raises:
        IdentityError: not reachable.
    """
    try:
        body, headers = _get(cloud, _open_context(), TIME_PATH, headers={HEADER_NONCE: nonce})
        return body, base64.b64decode(headers.get(HEADER_PROOF, ""), validate=True)
    except _NotThere:
        return None
    except ValueError as exc:
        raise IdentityError(f"{cloud}{TIME_PATH}: header {HEADER_PROOF}: expected base64") from exc


def ask_to_pair(cloud: Endpoint, body: bytes) -> bytes:
    """What the cloud answers to a board that shows a code (P2.12). TLS is not verified: whoever answers, the code shows who it is.

    Raises:
        IdentityError: not reachable, refused, or a cloud that does not pair.
    """
    try:
        return _get(cloud, _open_context(), PAIR_PATH, method="POST", body=body, time_s=PAIR_TIME_S)[0]
    except _NotThere as exc:
        raise IdentityError(f"{cloud} does not pair (KubeEdge, or an older CloudCore): join with a token") from exc


def request_certificate(
    cloud: Endpoint, ca_pem: bytes, request: bytes, headers: Mapping[str, str], *, now: float, shown: IdentityFiles | None = None
) -> bytes:
    """The certificate (DER) for ``request`` (DER) from a cloud that proves itself by the CA at ``now`` (epoch seconds); ``shown`` is
    presented in TLS.

    Raises:
        IdentityError: not reachable, not proven, or refused, in the cloud's words.
    """
    context = cloud_context()
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
    except (OSError, ValueError) as exc:
        raise IdentityError(f"the CA or the certificate of this node cannot be read: {exc}") from exc

    def check(certificate: Mapping[str, Any] | None) -> None:
        if (found := doubt(certificate, cloud.host, now)) is not None:
            raise IdentityError(_distrust(cloud, found, now))

    return _get(cloud, context, EDGE_CERT_PATH, body=request, headers=headers, check=check)[0]


def _open_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _get(
    cloud: Endpoint,
    context: ssl.SSLContext,
    path: str,
    *,
    method: str = "GET",
    time_s: float | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    check: Callable[[Mapping[str, Any] | None], None] = lambda certificate: None,
) -> tuple[bytes, http.client.HTTPMessage]:
    """Body and headers of the answer; ``check`` sees the server's certificate before anything is said to it."""
    limit_s = TIME_S if time_s is None else time_s
    connection = http.client.HTTPSConnection(cloud.host, cloud.port, timeout=limit_s, context=context)
    with closing(connection):
        limit = threading.Timer(limit_s, _cut, [connection])
        limit.daemon = True
        limit.start()
        try:
            connection.connect()
            check(connection.sock.getpeercert())
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read(ANSWER_LIMIT + 1)
        except ssl.SSLCertVerificationError as exc:
            raise IdentityError(f"{cloud} does not prove itself by the CA of this cluster ({exc.verify_message})") from exc
        except ssl.SSLError as exc:
            raise IdentityError(f"{cloud} does not speak the TLS that is expected there ({exc.reason or exc})") from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise IdentityError(
                f"{cloud} cannot be reached: {_cause(exc, limit_s)}; is CloudCore running, the address right, the port open?"
            ) from exc
        finally:
            limit.cancel()
    if len(content) > ANSWER_LIMIT:
        raise IdentityError(f"{cloud}{path}: the answer is larger than {ANSWER_LIMIT} bytes")
    if answer.status != 200:
        text = " ".join(content[:500].decode("utf-8", "replace").split())
        refusal = _NotThere if answer.status == _NOT_FOUND else IdentityError
        raise refusal(f"{cloud} refused ({answer.status}): {text}")
    return content, answer.headers


def _cut(connection: http.client.HTTPSConnection) -> None:
    """The time limit is for the whole exchange: one that trickles byte by byte ends too."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _distrust(cloud: Endpoint, found: Doubt, now: float) -> str:
    if found is Doubt.NAME:
        return f"the certificate of {cloud} names neither CloudCore nor {cloud.host}: it is that of another server"
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return f"the certificate of {cloud} is {found.value} (the time is taken to be {when}: is this board's clock right?)"


def _cause(exc: Exception, limit_s: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {limit_s:.0f} s"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
