"""How a board without a token meets its site (P2.12, P2.13): the code that a person carries, and the bodies of ``POST /pair``."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from viaduct.errors import MalformedPayload

PAIR_PATH = "/pair"
SERVICE_TYPE = "_bramble._tcp.local."

BOARD = b"bramble board"
CLOUD = b"bramble cloud"
"""The identities of the exchange; the board is its side A."""
KEY_INFO = b"bramble pairing"
NONCE_BYTES = 12

ALPHABET = "ACDEFGHJKMNPQRTUVWXY346789"
"""Without what looks or sounds like another: B I L O S Z and 0 1 2 5 are missing."""
CODE_LENGTH = 8
ANSWERS_LIMIT = 16
MESSAGE_BYTES = 33
SIDE_BOARD, SIDE_CLOUD = b"A", b"B"

_SEALED_LIMIT = 8192
_TOKEN_LIMIT = 4096
_NAME_LIMIT = 253
_SEPARATORS = str.maketrans("", "", "- \t\u2010\u2011\u2012\u2013\u2014")
"""What people and programs put between the halves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``message`` is the cloud's side of the exchange; ``sealed`` opens for who knows the code."""

    message: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a site gives a board that it expects. ``node`` is empty where the operator named none."""

    token: str = field(repr=False)
    node: str
    hub_port: int


def shown_code(code: str) -> str:
    """``KXQ7M4TH`` as a person reads it: ``KXQ7-M4TH``."""
    return f"{code[:4]}-{code[4:]}"


def read_code(text: str) -> str:
    """The code that a person typed, in any case, with or without separators.

    Raises:
        ValueError: it can be no board's code; the text says why.
    """
    code = text.translate(_SEPARATORS).upper()
    if strange := next((character for character in code if character not in ALPHABET), ""):
        raise ValueError(f"expected a code such as KXQ7-M4TH as the board shows it; {strange!a} is in none (nor are B I L O S Z 0 1 2 5)")
    if len(code) != CODE_LENGTH:
        raise ValueError(f"expected the {CODE_LENGTH} characters that the board shows, got {len(code)}")
    return code


def request_body(message: bytes) -> bytes:
    return json.dumps({"message": _base64(message)}).encode()


def read_request(body: bytes) -> bytes:
    """The board's message. Raises: MalformedPayload: with the field."""
    message = _decoded(_object(body, "body").get("message"), "message", MESSAGE_BYTES)
    return _of_side(message, SIDE_BOARD, "message")


def answers_body(answers: Iterable[Answer]) -> bytes:
    return json.dumps({"answers": [{"message": _base64(one.message), "sealed": _base64(one.sealed)} for one in answers]}).encode()


def read_answers(body: bytes) -> list[Answer]:
    """Raises: MalformedPayload: with the field."""
    answers = _object(body, "body").get("answers")
    if not isinstance(answers, list) or len(answers) > ANSWERS_LIMIT:
        raise MalformedPayload("answers", f"expected a list of at most {ANSWERS_LIMIT}")
    return [_answer(one, f"answers[{index}]") for index, one in enumerate(answers)]


def invitation_body(invitation: Invitation) -> bytes:
    return json.dumps({"token": invitation.token, "node": invitation.node, "hubPort": invitation.hub_port}).encode()


def read_invitation(body: bytes) -> Invitation:
    """Raises: MalformedPayload: with the field; nothing of the token is repeated."""
    found = _object(body, "body")
    token, node, hub_port = found.get("token"), found.get("node"), found.get("hubPort")
    if not isinstance(token, str) or not 0 < len(token) <= _TOKEN_LIMIT:
        raise MalformedPayload("token", "expected a join token")
    if not isinstance(node, str) or len(node) > _NAME_LIMIT:
        raise MalformedPayload("node", "expected the name of a node, or nothing")
    if type(hub_port) is not int or not 0 < hub_port <= 65535:
        raise MalformedPayload("hubPort", "expected a port")
    return Invitation(token, node, hub_port)


def _answer(body: Any, where: str) -> Answer:
    if not isinstance(body, dict):
        raise MalformedPayload(where, "expected an object")
    message = _decoded(body.get("message"), f"{where}.message", MESSAGE_BYTES)
    sealed = _decoded(body.get("sealed"), f"{where}.sealed", _SEALED_LIMIT)
    return Answer(_of_side(message, SIDE_CLOUD, f"{where}.message"), sealed)


def _of_side(message: bytes, side: bytes, where: str) -> bytes:
    if len(message) != MESSAGE_BYTES or message[:1] != side:
        raise MalformedPayload(where, f"expected base64 of {MESSAGE_BYTES} bytes, the first of them {side.decode()!r}")
    return message


def _object(body: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedPayload(where, "expected JSON") from None
    if not isinstance(found, dict):
        raise MalformedPayload(where, "expected an object")
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: Any, where: str, limit: int) -> bytes:
    try:
        if isinstance(text, str) and len(text) <= limit * 2:
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise MalformedPayload(where, f"expected base64 of at most {limit} bytes")
