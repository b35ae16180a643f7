"""HTTP in a message: a request of the cloud to an application on a board, an answer in either direction (contract 7.3; P5.13, P5.14)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viaduct.errors import MalformedPayload

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_BODY = 3_000_000
"""Bytes. As base64, with its headers, it still fits one frame (P1.4)."""
MAX_HEADERS = 100
MAX_TARGET = 480
"""Characters of a path, or of a URL, which stands in the resource of the envelope."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, Sequence[str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def answer_content(answer: Answer) -> dict[str, Any]:
    """As it travels."""
    headers = {name: list(values) for name, values in answer.headers.items()}
    return {"header": headers, "status_code": answer.status, "body": base64.b64encode(answer.body).decode("ascii")}


def answer_of(content: Any) -> Answer:
    """Raises MalformedPayload."""
    if not isinstance(content, dict):
        raise MalformedPayload("content", "expected an object")
    status = content.get("status_code")
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedPayload("content.status_code", "expected 200 to 599")
    headers: dict[str, list[str]] = {}
    for name, text in headers_of(content.get("header")):
        headers.setdefault(name, []).append(text)
    return Answer(status, headers, body_of(content.get("body")))


def headers_of(value: Any) -> Headers:
    """The names and texts of ``{"Name": ["text", …]}`` but those that belong to one connection. Raises MalformedPayload."""
    if value is None:
        return ()
    if not isinstance(value, dict) or len(value) > MAX_HEADERS:
        raise MalformedPayload("content.header", f"expected an object of at most {MAX_HEADERS} names")
    found: list[tuple[str, str]] = []
    for name, texts in value.items():
        where = f"content.header.{name[:64]!r}"
        if not _HEADER_NAME.fullmatch(name) or not isinstance(texts, list):
            raise MalformedPayload(where, "expected a header name with a list of texts")
        if any(not isinstance(text, str) or not text.isprintable() or not text.isascii() for text in texts):
            raise MalformedPayload(where, "expected printable text")
        found += passed_on((name, text) for text in texts)
    return tuple(found)


def passed_on(headers: Iterable[tuple[str, str]]) -> Headers:
    """Without those that belong to one connection."""
    return tuple((name, text) for name, text in headers if name.lower() not in _HOP_BY_HOP)


def body_of(value: Any) -> bytes:
    """Of base64 text; nothing is no body. Raises MalformedPayload."""
    if value is None:
        return b""
    if not isinstance(value, str):
        raise MalformedPayload("content.body", "expected base64 text")
    try:
        body = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MalformedPayload("content.body", f"not base64: {exc}") from exc
    if len(body) > MAX_BODY:
        raise MalformedPayload("content.body", f"{len(body)} bytes, the limit is {MAX_BODY}")
    return body
