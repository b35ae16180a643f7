"""A text to its words. A name may have hyphens (``sensor-1``), so a minus between names stands with a space after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from viaduct.rules.fault import ExpressionFault

WORDS = frozenset({"and", "or", "not", "true", "false"})
_INSTEAD = {"&&": "and", "||": "or", "!": "not", "=": "==", "<>": "!=", "=>": ">=", "=<": "<=", "≥": ">=", "≤": "<=", "≠": "!="}
_ALL = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)
    | (?P<quoted>`[^`\n]*`)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<instead>&&|\|\||<>|=>|=<(?!=)|[≥≤≠])
    | (?P<sign><=|>=|==|!=|[-+*/%<>().])
    | (?P<lone>[!=])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)")


class Sort(Enum):
    NUMBER = auto()
    NAME = auto()
    QUOTED = auto()
    TEXT = auto()
    SIGN = auto()
    WORD = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is what it means: of a text without its quotes."""

    sort: Sort
    text: str
    at: int

    @property
    def shown(self) -> str:
        return "the end" if self.sort is Sort.END else repr(self.text[:40])


def tokens(text: str) -> list[Token]:
    """Raises ExpressionFault."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _ALL.match(text, at)
        if match is None:
            raise ExpressionFault(_unknown(text[at]), text, at)
        group = str(match.lastgroup)
        if group in ("instead", "lone"):
            raise ExpressionFault(f"{match.group()!r} is not known here; write {_INSTEAD[match.group()]!r}", text, at)
        if group != "space":
            found.append(_token(group, match.group(), text, at))
        at = match.end()
    return [*found, Token(Sort.END, "", len(text))]


def _token(group: str, word: str, text: str, at: int) -> Token:
    if group == "name":
        return Token(Sort.WORD if word in WORDS else Sort.NAME, word, at)
    if group == "quoted":
        return Token(Sort.QUOTED, word[1:-1], at)
    if group == "text":
        return Token(Sort.TEXT, _unescaped(word[1:-1], text, at + 1), at)
    return Token(Sort.NUMBER if group == "number" else Sort.SIGN, word, at)


def _unescaped(inner: str, text: str, at: int) -> str:
    for match in _ESCAPE.finditer(inner):
        if match.group(1) not in "\\\"'":
            reason = f"{match.group()!r}: after a backslash a text has a quote or a backslash"
            raise ExpressionFault(reason, text, at + match.start())
    return _ESCAPE.sub(r"\1", inner)


def _unknown(char: str) -> str:
    if char in "\"'":
        return "a text that does not end on its line"
    if char == "`":
        return "a name in backquotes that does not end on its line"
    if char in "[]{}":
        return f"{char!r} is not known here; only round parentheses are"
    return f"{char!r} is not known here"
