"""Takes secrets out of text and out of JSON: those that are known, and what looks like one. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"
_SHORTEST = 4
"""A shorter secret is no secret, and masking every ``1`` would leave nothing to read."""

_WORDS = r"token|password|passwd|passphrase|secret|authorization|api[-_]?key|private[-_]?key|credentials?"
_NAMED = re.compile(rf"(?i)((?:{_WORDS})[\w-]*[\"']?\s*[:=]\s*(?:bearer |basic )?[\"']?)[^\s\"',;&}}]+")
_KEY = re.compile(rf"(?i).*({_WORDS}).*|auth")
_TELLTALE = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?:\b[0-9a-fA-F]{64}\.)?\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
)


class Masks:
    """``known``: secrets of this board, in every form in which they may turn up."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = sorted({text for text in known if len(text) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """For logs and what others print: also what is named like a secret is taken out."""
        return _NAMED.sub(rf"\g<1>{MASK}", self._without(text))

    def value(self, value: Any) -> Any:
        """For JSON: the texts in it, and everything under a key that is named like a secret's."""
        if isinstance(value, dict):
            return {self._without(str(key)): MASK if _hides(str(key), inner) else self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return self._without(value) if isinstance(value, str) else value

    def _without(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, MASK)
        for pattern in _TELLTALE:
            text = pattern.sub(MASK, text)
        return text


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it is, line by line, and in base64."""
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if not line.startswith("-----"))


def forms_of_secret_value(value: str) -> Iterator[str]:
    """Of a value in a Secret's ``data``: base64 of a text, which for registries is JSON with passwords in it."""
    yield value
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield from forms_of(text)
    try:
        yield from (form for leaf in hidden_in(json.loads(text)) for form in forms_of(leaf))
    except ValueError:
        return


def hidden_in(value: Any) -> Iterator[str]:
    """Texts under keys that are named like a secret's."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from map(str, _leaves(inner)) if _KEY.fullmatch(str(key)) else hidden_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from hidden_in(inner)


def named_in(text: str) -> Iterator[str]:
    """Values that stand behind a secret's name in a text that may be anything, such as a config with a mistake in it."""
    for found in re.finditer(rf"(?im)^[^\n#]*?(?:{_WORDS})[\w-]*[\"']?\s*[:=][ \t]*(.+)$", text):
        value = found[1].strip()
        yield value
        yield from (word for word in re.split(r"[\s\"'\[\]{},]+", value) if word)


def _hides(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and bool(_KEY.fullmatch(key))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield value
