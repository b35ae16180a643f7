"""Streaming calls to Podman: logs, exec, attach; the second door to its socket.

The ``podman`` package does not give out a connection that is upgraded to a raw stream, so here it is the standard library's HTTP client.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from edgecore.containers import podman_wire as wire
from edgecore.containers import processes
from edgecore.containers.engine import SYSTEM_SOCKET
from edgecore.containers.labels import INSTANCE, MANAGED, POD_NAME, POD_NAMESPACE, POD_UID, instance_of
from edgecore.containers.model import Container
from edgecore.containers.unixhttp import UnixConnection
from edgecore.errors import EngineError, EngineUnreachable, NotFound

STDOUT, STDERR = 1, 2
READ_SIZE = 32 * 1024

_API = "/v4.0.0/libpod"
_HEAD = struct.Struct(">BxxxI")
_LIMIT = 30.0
"""Seconds for an answer to begin."""

_END_LIMIT, _END_LOOK = 5.0, 0.02
"""Seconds: the engine knows an exit code a moment after the output has ended."""


def socket_of(endpoint: str, root_directory: str, system_socket: str = SYSTEM_SOCKET) -> str:
    """The path of the socket on which the engine answers: the one configured, else our own service's where there is one."""
    if endpoint:
        return endpoint.removeprefix("unix://")
    own = os.path.join(root_directory, "podman.sock")
    return own if os.path.exists(own) else system_socket


class Streams:
    """Everything here is of the EdgeCore with its files in ``root_directory``; other containers are never found (promise A3)."""

    def __init__(self, root_directory: str, *, node: str = "", endpoint: str = "", system_socket: str = SYSTEM_SOCKET) -> None:
        self.node = node
        self.root_directory = root_directory
        self._endpoint = endpoint
        self._system_socket = system_socket
        self._instance = instance_of(root_directory)

    def containers(self, namespace: str = "", pod: str = "", uid: str = "") -> list[Container]:
        """Those of one pod, or of all; without infra containers."""
        wanted = [f"{MANAGED}=true", f"{INSTANCE}={self._instance}"]
        wanted += [f"{key}={value}" for key, value in ((POD_NAMESPACE, namespace), (POD_NAME, pod), (POD_UID, uid)) if value]
        entries = self._json("GET", "/containers/json", {"all": "true", "filters": json.dumps({"label": wanted})}) or []
        return [wire.container_from_list(entry) for entry in entries if not entry.get("IsInfra")]

    def stop(self, container: str, grace: int) -> None:
        self._call("POST", f"/containers/{container}/stop", {"timeout": str(grace)}, timeout=grace + _LIMIT).close()

    def remove(self, container: str) -> None:
        self._call("DELETE", f"/containers/{container}", {"force": "true", "v": "true", "timeout": "0"}).close()

    def stats(self) -> list[dict[str, Any]]:
        """Podman's figures of every container that runs: ContainerID, CPUNano (since the start), MemUsage, PIDs.

        Asked for certain ones, Podman answers nothing at all where one of them is gone by then.
        """
        return list(self._json("GET", "/containers/stats", [("stream", "false")]).get("Stats") or [])

    def logs(self, container: str, *, follow: bool, tail: int = -1, since: int = 0, timestamps: bool = False) -> Running:
        query = {"stdout": "true", "stderr": "true", "follow": _word(follow), "timestamps": _word(timestamps)}
        if tail >= 0:
            query["tail"] = str(tail)
        if since:
            query["since"] = str(since)
        return Running(self._call("GET", f"/containers/{container}/logs", query, timeout=None), framed=True)

    def execute(self, container: str, command: list[str], *, stdin: bool, tty: bool) -> Execution:
        """Start ``command`` in a running container."""
        wanted = {"Cmd": command, "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
        made = str(self._json("POST", f"/containers/{container}/exec", body=wanted)["Id"])
        begun = self._call("POST", f"/exec/{made}/start", body={"Detach": False, "Tty": tty}, upgrade=True, timeout=None)
        return Execution(begun, made, self, framed=not tty)

    def attach(self, container: str, *, stdin: bool) -> Running:
        """To the first process of a running container, with the terminal that it was made with, if any."""
        tty = bool((self._json("GET", f"/containers/{container}/json").get("Config") or {}).get("Tty"))
        query = {"stream": "true", "stdout": "true", "stderr": "true", "stdin": _word(stdin)}
        begun = self._call("POST", f"/containers/{container}/attach", query, upgrade=True, timeout=None)
        return Running(begun, framed=not tty, resize=lambda w, h: self._resize(f"/containers/{container}", w, h) if tty else None)

    def execution(self, made: str) -> dict[str, Any]:
        found: dict[str, Any] = self._json("GET", f"/exec/{made}/json")
        return found

    def resize_execution(self, made: str, width: int, height: int) -> None:
        self._resize(f"/exec/{made}", width, height)

    def _resize(self, path: str, width: int, height: int) -> None:
        with contextlib.suppress(EngineError):  # a process that has just ended has no terminal any more
            self._call("POST", f"{path}/resize", {"w": str(width), "h": str(height)}).close()

    def _json(self, method: str, path: str, query: Any = (), body: Any = None) -> Any:
        answer = self._call(method, path, query, body)
        try:
            return json.loads(answer.read())
        except (ValueError, OSError, http.client.HTTPException) as exc:
            raise EngineError(f"{method} {path}: the answer is not JSON") from exc
        finally:
            answer.close()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | Any = (),
        body: Any = None,
        *,
        upgrade: bool = False,
        timeout: float | None = _LIMIT,
    ) -> _Answer:
        connection = UnixConnection(socket_of(self._endpoint, self.root_directory, self._system_socket))
        headers = {"Content-Type": "application/json", **({"Connection": "Upgrade", "Upgrade": "tcp"} if upgrade else {})}
        target = f"{_API}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            connection.timeout = timeout or _LIMIT
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            opened = connection.sock  # forgotten by the connection where the answer ends with it, but a stream goes on
            answer = _Answer(connection, opened, connection.getresponse())
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise EngineUnreachable(f"the container engine does not answer: {exc}") from exc
        if answer.status >= 400:
            raise _error(answer)
        answer.socket.settimeout(timeout)
        return answer


class _Answer:
    def __init__(self, connection: UnixConnection, opened: socket.socket, response: http.client.HTTPResponse) -> None:
        self.socket = opened
        self._connection = connection
        self._response = response
        self.status = response.status
        self._raw = response.status == 101

    def read(self) -> bytes:
        return self._response.read()

    def some(self) -> bytes:
        """What there is, at least a byte; nothing at the end."""
        try:
            if self._raw:
                found: bytes = self._response.fp.read1(READ_SIZE)
                return found
            return self._response.read1(READ_SIZE)
        except (OSError, ValueError, http.client.HTTPException):
            return b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Running:
    """Something that gives output and may take input. One thread reads ``output``, another may write; ``close`` ends both."""

    def __init__(self, answer: _Answer, *, framed: bool, resize: Any = None) -> None:
        self._answer = answer
        self._framed = framed
        self._resize = resize

    def output(self) -> Iterator[tuple[int, bytes]]:
        """(STDOUT or STDERR, bytes) until it ends."""
        if not self._framed:
            while data := self._answer.some():
                yield STDOUT, data
            return
        yield from deframed(iter(self._answer.some, b""))

    def write(self, data: bytes) -> None:
        """Raises OSError when it takes no more."""
        self._answer.socket.sendall(data)

    def end_input(self) -> None:
        with contextlib.suppress(OSError):
            self._answer.socket.shutdown(socket.SHUT_WR)

    def resize(self, width: int, height: int) -> None:
        if self._resize is not None:
            self._resize(width, height)

    def close(self) -> None:
        self._answer.close()


class Execution(Running):
    def __init__(self, answer: _Answer, made: str, streams: Streams, *, framed: bool) -> None:
        super().__init__(answer, framed=framed, resize=lambda w, h: streams.resize_execution(made, w, h))
        self._made = made
        self._streams = streams
        self._terminal = not framed

    def exit_code(self) -> int | None:
        """Once the output has ended. None: it goes on without us, its output closed."""
        deadline = time.monotonic() + _END_LIMIT
        while (found := self._streams.execution(self._made)).get("Running"):
            if time.monotonic() > deadline:
                return None
            time.sleep(_END_LOOK)
        return int(found.get("ExitCode") or 0)

    def hang_up(self) -> None:
        """Nobody is there any more: a command at a terminal hears so, as from a line that drops; others go on, as a kubelet's do."""
        with contextlib.suppress(EngineError, NotFound):
            found = self._streams.execution(self._made)
            if found.get("Running") and self._terminal:
                processes.tell(int(found.get("Pid") or 0), str(found.get("ContainerID") or ""), signal.SIGHUP)


def deframed(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Podman's multiplexed stream (channel u8, three zeros, length u32, bytes) as it comes; long pieces are passed on in parts."""
    buffer = bytearray()
    channel, left = 0, 0
    for chunk in chunks:
        buffer += chunk
        while buffer:
            if not left:
                if len(buffer) < _HEAD.size:
                    break
                channel, left = _HEAD.unpack_from(buffer)
                del buffer[: _HEAD.size]
                continue
            part = bytes(buffer[: min(left, READ_SIZE)])
            del buffer[: len(part)]
            left -= len(part)
            yield (STDERR if channel == STDERR else STDOUT), part


def _error(answer: _Answer) -> EngineError | NotFound:
    try:
        body = json.loads(answer.read() or b"{}")
    except (ValueError, OSError, http.client.HTTPException):
        body = {}
    answer.close()
    text = str(body.get("message") or body.get("cause") or f"HTTP {answer.status}") if isinstance(body, dict) else f"HTTP {answer.status}"
    return NotFound(text) if answer.status == 404 else EngineError(text)


def _word(flag: bool) -> str:
    return "true" if flag else "false"
