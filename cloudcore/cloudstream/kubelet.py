"""What a kubelet is asked (its URL paths and queries), as requests of a stream; and what it says at the end of a command. Pure.

Kubernetes' API server sends: ``/containerLogs/<ns>/<pod>/<container>``, ``/exec/…`` and ``/attach/…`` with a uid before the container or
without, ``/portForward/<ns>/<pod>[/<uid>]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cloudcore.errors import StreamError
from viaduct.errors import MalformedPayload
from viaduct.streamrequest import MAX_NUMBER, StreamRequest, Verb, parse_request
from viaduct.tunnel import End

BAD_REQUEST = 400
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose container is meant. ``uid`` empty: of whichever pod has the name."""

    namespace: str
    pod: str
    container: str = ""
    uid: str = ""


def pod_place(pod: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """(node, uid) of a pod; None where it is bound to no node. A mirror of a static pod has another uid than the pod on the board."""
    if pod is None:
        return None
    node, metadata = str((pod.get("spec") or {}).get("nodeName") or ""), pod.get("metadata") or {}
    is_mirror = _MIRROR in (metadata.get("annotations") or {})
    return (node, "" if is_mirror else str(metadata.get("uid") or "")) if node else None


def container_place(parts: Sequence[str]) -> Place:
    """Of the path parts after the verb."""
    if len(parts) == 4:
        return Place(parts[0], parts[1], parts[3], parts[2])
    return Place(parts[0], parts[1], parts[2])


def logs_request(place: Place, query: Mapping[str, str], *, now: float) -> StreamRequest:
    """``now``: epoch seconds. Raises StreamError, which names the parameter."""
    since = _since(query, now)
    request = StreamRequest(
        Verb.LOGS,
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail=_number(query, "tailLines", -1),
        limit=_number(query, "limitBytes", 0),
        since=since,
    )
    return _placed(request, place)


def command_request(verb: Verb, place: Place, query: Mapping[str, str], command: Sequence[str]) -> StreamRequest:
    """Of an exec or attach. Raises StreamError."""
    request = StreamRequest(
        verb,
        command=tuple(command) if verb is Verb.EXEC else (),
        stdin=_flag(query, "input"),
        stdout=_flag(query, "output"),
        stderr=_flag(query, "error"),
        tty=_flag(query, "tty"),
    )
    if verb is Verb.EXEC and not command:
        raise StreamError("command: is needed", code=BAD_REQUEST)
    if not (request.stdin or request.stdout or request.stderr):
        raise StreamError("at least one of input, output and error must be true", code=BAD_REQUEST)
    return _placed(request, place)


def port_request(place: Place, port: str) -> StreamRequest:
    """Raises StreamError."""
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536):
        raise StreamError(f"port: expected a number from 1 to 65535, got {port[:40]!r}", code=BAD_REQUEST)
    return _placed(StreamRequest(Verb.PORTFORWARD, port=int(port)), place)


def status_of(end: End, verb: Verb) -> dict[str, Any]:
    """The Status with which a command ends. An attach has no exit code: the container's is in the pod's status."""
    if end.code != 200:
        return {
            "metadata": {},
            "status": "Failure",
            "reason": "InternalError",
            "message": end.reason or "the node ended it",
            "code": end.code,
        }
    if verb is Verb.ATTACH or not end.exit_code:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with exit code {end.exit_code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(end.exit_code)}]},
        "code": 500,
    }


def node_of_host(host: str, domain: str, port: int | None = None) -> str:
    """The node that ``<node>.<domain>[:port]`` names; "" for any other host."""
    name = host.rpartition(":")[0] if ":" in host else host
    suffix = f".{domain.lower()}"
    return name.lower().removesuffix(suffix) if name.lower().endswith(suffix) else ""


def _placed(request: StreamRequest, place: Place) -> StreamRequest:
    placed = replace(request, namespace=place.namespace, pod=place.pod, container=place.container, uid=place.uid)
    try:
        return parse_request(placed.as_json())
    except MalformedPayload as exc:
        raise StreamError(str(exc), code=BAD_REQUEST) from exc


def _since(query: Mapping[str, str], now: float) -> int:
    seconds, moment = query.get("sinceSeconds", ""), query.get("sinceTime", "")
    if seconds and moment:
        raise StreamError("at most one of sinceTime and sinceSeconds may be given", code=BAD_REQUEST)
    if seconds:
        return max(0, int(now) - _number(query, "sinceSeconds", 0))
    if not moment:
        return 0
    try:
        return max(0, int(datetime.fromisoformat(moment).timestamp()))
    except (ValueError, OverflowError):
        raise StreamError(f"sinceTime: expected a time as 2020-02-20T14:05:09Z, got {moment[:60]!r}", code=BAD_REQUEST) from None


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= MAX_NUMBER):
        raise StreamError(f"{name}: expected a number of 0 or more, got {text[:40]!r}", code=BAD_REQUEST)
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "").lower()
    if text in ("", "0", "f", "false"):
        return False
    if text in ("1", "t", "true"):
        return True
    raise StreamError(f"{name}: expected true or false, got {text[:40]!r}", code=BAD_REQUEST)
