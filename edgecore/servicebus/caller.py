"""The door to applications on this node: one HTTP request to loopback, with a time limit for all of it and a cap on the answer."""

from __future__ import annotations

import http.client
import time

from edgecore.servicebus.calls import Call, refusal
from viaduct.httpcall import MAX_BODY, Answer

TIMEOUT = 10.0
HOST = "127.0.0.1"
_CHUNK = 65536


def call(request: Call, *, timeout: float = TIMEOUT) -> Answer:
    """What the application answers; where it does not, an answer of ours that says why (404 nobody listens, 500 else)."""
    deadline = time.monotonic() + timeout
    connection = http.client.HTTPConnection(HOST, request.port, timeout=timeout)
    try:
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, text in request.headers:
            connection.putheader(name, text)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        return _answer(connection, deadline)
    except ConnectionRefusedError:
        return refusal(404, f"no application listens on port {request.port}")
    except TimeoutError:
        return refusal(500, f"the application on port {request.port} did not answer within {timeout:g} s")
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return refusal(500, f"the request to port {request.port} failed: {exc}")
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, deadline: float) -> Answer:
    response = connection.getresponse()
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            return refusal(500, f"the answer is longer than {MAX_BODY} bytes")
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
    headers: dict[str, list[str]] = {}
    for name, text in response.getheaders():
        headers.setdefault(name, []).append(text)
    return Answer(response.status, headers, bytes(body))
