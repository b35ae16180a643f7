"""The door through which probes and hooks act: a command by the engine, HTTP and TCP by sockets. Every call ends within its time limit."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from edgecore.containers.runtime import Runtime
from edgecore.edged.handlers import Exec, Handler, HttpGet, Outcome, Sleep, TcpConnect
from edgecore.errors import EngineError, EngineUnreachable, ExecTimeout

_STATUS_LINE_LIMIT = 4096
_SHOWN = 512


def handle(handler: Handler, *, runtime: Callable[[], Runtime], container: str, address: str, timeout: float) -> Outcome:
    """``address`` is the pod's.

    Raises:
        EngineUnreachable: a command could not be run, which says nothing about the container.
    """
    match handler:
        case Exec():
            return _exec(runtime(), container, handler, timeout)
        case HttpGet():
            return _http(handler, handler.host or address, timeout)
        case TcpConnect():
            return _tcp(handler.host or address, handler.port, timeout)
        case Sleep():
            time.sleep(min(handler.seconds, timeout))
            return Outcome(True)


def _exec(runtime: Runtime, container: str, handler: Exec, timeout: float) -> Outcome:
    try:
        done = runtime.exec(container, handler.command, timeout=timeout)
    except ExecTimeout:
        return Outcome(False, f"command timed out: {' '.join(handler.command)[:_SHOWN]!r} timed out after {timeout:g}s")
    except EngineUnreachable:
        raise
    except EngineError as exc:
        return Outcome(False, str(exc))
    return Outcome(done.exit_code == 0, done.output.decode(errors="replace")[:_SHOWN].strip())


def _tcp(host: str, port: int, timeout: float) -> Outcome:
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError as exc:
        return Outcome(False, f"dial tcp {host}:{port}: {exc}")
    return Outcome(True)


def _http(get: HttpGet, host: str, timeout: float) -> Outcome:
    deadline = time.monotonic() + timeout
    url = f"{'https' if get.secure else 'http'}://{host}:{get.port}{get.path}"
    try:
        with socket.create_connection((host, get.port), timeout) as raw, _secured(raw, get) as connection:
            connection.sendall(_request(get, host))
            line = _status_line(connection, deadline)
    except (OSError, UnicodeError) as exc:
        return Outcome(False, f'Get "{url}": {exc}')
    words = line.split(b" ")
    if len(words) < 2 or not line.startswith(b"HTTP/") or not words[1].isdigit():
        return Outcome(False, f'Get "{url}": the answer is not HTTP')
    code = int(words[1])
    return Outcome(200 <= code < 400, f"HTTP probe failed with statuscode: {code}" if not 200 <= code < 400 else "")


def _secured(raw: socket.socket, get: HttpGet) -> Any:
    """As a kubelet: the certificate of a pod is not checked, it has none that anybody signed."""
    if not get.secure:
        return raw
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not the default one: that reads all authorities of the system, for nothing
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(raw, server_hostname=get.host or None)


def _request(get: HttpGet, host: str) -> bytes:
    headers = {"Host": f"{host}:{get.port}", "User-Agent": "kube-probe/bramble", "Accept": "*/*", "Connection": "close"}
    given = {name.lower() for name, _ in get.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in get.headers]
    return ("\r\n".join([f"GET {get.path} HTTP/1.1", *lines]) + "\r\n\r\n").encode()


def _status_line(connection: Any, deadline: float) -> bytes:
    """A server that gives its answer letter by letter does not get more time."""
    found = b""
    while b"\n" not in found:
        left = deadline - time.monotonic()
        if left <= 0 or len(found) > _STATUS_LINE_LIMIT:
            raise TimeoutError("no status line within the time limit")
        connection.settimeout(left)
        piece = connection.recv(1024)
        if not piece:
            break
        found += piece
    return found.partition(b"\n")[0].strip()
