"""What a probe or a lifecycle hook does: shapes of core/v1 Probe and LifecycleHandler, read once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecore.edged.errors import ConfigProblem


@dataclass(frozen=True, slots=True)
class Exec:
    """A command in the container, run without a shell."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HttpGet:
    """``host`` empty: the pod's address."""

    host: str
    port: int
    path: str
    secure: bool
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpConnect:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


Handler = Exec | HttpGet | TcpConnect | Sleep


@dataclass(frozen=True, slots=True)
class Outcome:
    """``text`` says what went wrong, or what was printed."""

    ok: bool
    text: str = ""


def handler_of(document: dict[str, Any], container: dict[str, Any], field: str) -> Handler:
    """``field`` is where it stands (``livenessProbe``), for the text of an error.

    Raises:
        ConfigProblem: no handler that this node has, or one that cannot be read.
    """
    if isinstance(action := document.get("exec"), dict):
        command = action.get("command")
        if not isinstance(command, list) or not command:
            raise ConfigProblem(f"{field}.exec.command: expected at least one word")
        return Exec(tuple(map(str, command)))
    if isinstance(action := document.get("httpGet"), dict):
        return _http(action, container, field)
    if isinstance(action := document.get("tcpSocket"), dict):
        return TcpConnect(str(action.get("host") or ""), _port(action.get("port"), container, f"{field}.tcpSocket.port"))
    if isinstance(action := document.get("sleep"), dict):
        return Sleep(_seconds(action.get("seconds"), f"{field}.sleep.seconds"))
    if document.get("grpc") is not None:
        raise ConfigProblem(f"{field}.grpc: not supported on this node: use exec, httpGet or tcpSocket")
    raise ConfigProblem(f"{field}: expected one of exec, httpGet, tcpSocket")


def _http(action: dict[str, Any], container: dict[str, Any], field: str) -> HttpGet:
    scheme = str(action.get("scheme") or "HTTP").upper()
    if scheme not in ("HTTP", "HTTPS"):
        raise ConfigProblem(f"{field}.httpGet.scheme: expected HTTP or HTTPS, got {scheme[:20]!r}")
    headers = tuple((str(h.get("name", "")), str(h.get("value", ""))) for h in action.get("httpHeaders") or [])
    path = str(action.get("path") or "/")
    path = path if path.startswith("/") else f"/{path}"
    if any(ord(sign) < 33 or sign == "\x7f" for sign in path) or any(set("\r\n\0") & set(name + value) for name, value in headers):
        raise ConfigProblem(f"{field}.httpGet: path and headers must not hold blanks or line ends")
    port = _port(action.get("port"), container, f"{field}.httpGet.port")
    return HttpGet(str(action.get("host") or ""), port, path, scheme == "HTTPS", headers)


def _port(value: Any, container: dict[str, Any], field: str) -> int:
    """A number, or the name of one of the container's ports."""
    if isinstance(value, str):
        named = {port.get("name"): port.get("containerPort") for port in container.get("ports") or []}
        value = named.get(value, int(value) if value.isascii() and value.isdigit() else value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ConfigProblem(f"{field}: expected 1 to 65535 or the name of a port, got {str(value)[:20]!r}")
    return value


def _seconds(value: Any, field: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ConfigProblem(f"{field}: expected seconds, got {str(value)[:20]!r}")
    return float(value)
