"""What a stream is opened for (P7.3), as a value and as the JSON object of an OPEN frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from viaduct.errors import MalformedPayload

MAX_NAME = 253
MAX_ARGUMENTS = 1000
MAX_NUMBER = 2**53
MAX_PORT = 65535


class Verb(StrEnum):
    LOGS = "logs"
    EXEC = "exec"
    ATTACH = "attach"
    PORTFORWARD = "portforward"
    STATS = "stats"


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """``uid`` empty: whichever pod has the name now. ``since`` is epoch seconds, 0 for from the beginning; ``tail`` -1 for all lines;
    ``limit`` 0 for no limit in bytes. ``previous``: of the container before this one. ``port`` in the pod, 0 where none is meant."""

    verb: Verb
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    command: tuple[str, ...] = ()
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int = -1
    since: int = 0
    limit: int = 0
    port: int = 0

    def as_json(self) -> dict[str, Any]:
        """Without what has its default."""
        plain = {field.name: field.default for field in fields(self)}
        return {name: list(value) if name == "command" else value for name, value in asdict(self).items() if value != plain[name]}


def parse_request(value: dict[str, Any]) -> StreamRequest:
    """Unknown keys are ignored. Raises MalformedPayload, which names the field."""
    try:
        verb = Verb(value.get("verb", ""))
    except ValueError:
        raise MalformedPayload("verb", f"expected one of {', '.join(Verb)}, got {str(value.get('verb'))[:40]!r}") from None
    request = StreamRequest(
        verb,
        namespace=_text(value, "namespace"),
        pod=_text(value, "pod"),
        uid=_text(value, "uid"),
        container=_text(value, "container"),
        command=_command(value),
        tail=_number(value, "tail", -1, -1, MAX_NUMBER),
        since=_number(value, "since", 0, 0, MAX_NUMBER),
        limit=_number(value, "limit", 0, 0, MAX_NUMBER),
        port=_number(value, "port", 0, 0, MAX_PORT),
        **{name: _flag(value, name) for name in ("stdin", "stdout", "stderr", "tty", "follow", "previous", "timestamps")},
    )
    _check(request)
    return request


def _check(request: StreamRequest) -> None:
    if request.verb is not Verb.STATS and not (request.namespace and request.pod):
        raise MalformedPayload("pod", "namespace and pod are needed")
    if request.verb is Verb.EXEC and not request.command:
        raise MalformedPayload("command", "is needed")
    if request.verb is Verb.PORTFORWARD and not request.port:
        raise MalformedPayload("port", f"a number from 1 to {MAX_PORT} is needed")


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str) or len(found) > MAX_NAME:
        raise MalformedPayload(name, f"expected text of at most {MAX_NAME} characters")
    return found


def _flag(value: dict[str, Any], name: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise MalformedPayload(name, "expected true or false")
    return found


def _number(value: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    found = value.get(name, default)
    if type(found) is not int or not least <= found <= most:
        raise MalformedPayload(name, f"expected a number from {least} to {most}")
    return found


def _command(value: dict[str, Any]) -> tuple[str, ...]:
    found = value.get("command", [])
    if not isinstance(found, list) or len(found) > MAX_ARGUMENTS or not all(isinstance(word, str) and "\0" not in word for word in found):
        raise MalformedPayload("command", f"expected a list of at most {MAX_ARGUMENTS} texts")
    return tuple(found)
