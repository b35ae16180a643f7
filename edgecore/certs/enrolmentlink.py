"""The door to CloudCore's port 10002: the CA, and a certificate for a request (contract 2.8). Errors say what may help."""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

from edgecore.certs.files import IdentityFiles
from edgecore.certs.jointoken import Endpoint
from edgecore.errors import IdentityError
from viaduct.handshake import CA_PATH, EDGE_CERT_PATH

TIME_S = 20.0
ANSWER_LIMIT = 64 * 1024

_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = (62, 63, 64)
_CLOCK_TOLERANCE_S = 300


@dataclass(frozen=True, slots=True)
class FetchedCa:
    """``der`` as the cloud gave it; ``clock_off_s`` is how far the cloud's clock is ahead of ours, None where it did not say."""

    der: bytes
    clock_off_s: float | None


def fetch_ca(cloud: Endpoint, pin: str) -> FetchedCa:
    """The CA whose hash is ``pin``. Nobody is trusted before the hash fits, so TLS is not verified here.

    Raises:
        IdentityError: not reachable, or another CA.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    body, date = _get(cloud, context, CA_PATH, None, {}, None)
    if hashlib.sha256(body).hexdigest() != pin:
        raise IdentityError(
            f"the CA at {cloud} is not the one that the token was made for: the token is of another cluster, "
            "or somebody stands in between; nothing was sent to it"
        )
    return FetchedCa(body, date - time.time() if date else None)


def request_certificate(
    cloud: Endpoint,
    ca_pem: bytes,
    request: bytes,
    headers: Mapping[str, str],
    *,
    shown: IdentityFiles | None = None,
    clock_off_s: float | None = None,
) -> bytes:
    """The certificate (DER) for ``request`` (DER) from a cloud that proves itself by the CA; ``shown`` is presented in TLS.

    Raises:
        IdentityError: not reachable, not proven, or refused, in the cloud's words.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
    except (OSError, ValueError) as exc:
        raise IdentityError(f"the CA or the certificate of this node cannot be read: {exc}") from exc
    body, _ = _get(cloud, context, EDGE_CERT_PATH, request, headers, clock_off_s)
    return body


def _get(
    cloud: Endpoint,
    context: ssl.SSLContext,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    clock_off_s: float | None,
) -> tuple[bytes, float | None]:
    connection = http.client.HTTPSConnection(cloud.host, cloud.port, timeout=TIME_S, context=context)
    with closing(connection):
        limit = threading.Timer(TIME_S, _cut, [connection])
        limit.daemon = True
        limit.start()
        try:
            connection.request("GET", path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read(ANSWER_LIMIT + 1)
        except ssl.SSLCertVerificationError as exc:
            raise IdentityError(_distrust(cloud, exc, clock_off_s)) from exc
        except ssl.SSLError as exc:
            raise IdentityError(f"{cloud} does not speak the TLS that is expected there ({exc.reason or exc})") from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise IdentityError(
                f"{cloud} cannot be reached: {_cause(exc)}; is CloudCore running, the address right, the port open?"
            ) from exc
        finally:
            limit.cancel()
    if len(content) > ANSWER_LIMIT:
        raise IdentityError(f"{cloud}{path}: the answer is larger than {ANSWER_LIMIT} bytes")
    if answer.status != 200:
        text = " ".join(content[:500].decode("utf-8", "replace").split())
        raise IdentityError(f"{cloud} refused ({answer.status}): {text}")
    return content, _date(answer.headers.get("Date"))


def _cut(connection: http.client.HTTPSConnection) -> None:
    """The time limit is for the whole exchange: one that trickles byte by byte ends too."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _distrust(cloud: Endpoint, exc: ssl.SSLCertVerificationError, clock_off_s: float | None) -> str:
    if exc.verify_code in (_NOT_YET_VALID, _EXPIRED):
        ours = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        if clock_off_s is not None and abs(clock_off_s) > _CLOCK_TOLERANCE_S:
            theirs = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + clock_off_s))
            return f"the clock of this board is far off: it says {ours}, the cloud's says {theirs}; set it and try again"
        return f"the certificate of {cloud} is not valid now ({exc.verify_message}); the clock of this board says {ours}: is it right?"
    if exc.verify_code in _WRONG_NAME:
        return (
            f"the certificate of {cloud} does not name {cloud.host}: add it to modules.cloudhub.advertiseAddress "
            "(an address) or dnsNames (a name) in CloudCore's config"
        )
    return f"{cloud} does not prove itself by the CA of this cluster ({exc.verify_message})"


def _cause(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {TIME_S:.0f} s"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


def _date(header: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None
