"""Patterns of a schema: RE2's dialect, told to Python's ``re`` so that both accept the same texts.

``$`` means the end of the text (not before a last newline), classes are ASCII, ``[[:alpha:]]`` and ``\\z`` are known.
What RE2 has not (look-around, back-references) is refused, so that a CRD that works here works on any Kubernetes.
"""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7F",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1F\\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_TOKEN = re.compile(r"\\.|\[:\w+:\]|\[\^?\]?|\]|\(\?(?:<?[=!]|P[=>])|\$|.", re.DOTALL)
LONGEST_PATTERN = 2048


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """``pattern`` ready for ``search``.

    Raises:
        ValueError: it is not a pattern, too long, or uses what RE2 does not have.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"longer than {LONGEST_PATTERN} characters")
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _translated(pattern: str) -> str:
    out: list[str] = []
    in_class = False
    for token in _TOKEN.findall(pattern):
        if in_class:
            in_class = token != "]"
            out.append(_in_class(token))
        else:
            in_class = token.startswith("[")
            out.append(_outside(token))
    return "".join(out)


def _in_class(token: str) -> str:
    if token.startswith("[:"):
        name = token[2:-2]
        if name not in _POSIX:
            raise ValueError(f"unknown character class {token}")
        return _POSIX[name]
    return token.replace("[", "\\[") if token.startswith("[") else _escape(token)


def _outside(token: str) -> str:
    if token.startswith("(?"):
        raise ValueError(f"{token!r} is not supported")
    return "\\Z" if token == "$" else _escape(token)


def _escape(token: str) -> str:
    if token in ("\\p", "\\P"):
        raise ValueError("Unicode classes are not supported")
    if len(token) == 2 and token[0] == "\\" and token[1] in "123456789":
        raise ValueError("back-references are not supported")
    return "\\Z" if token == "\\z" else token
