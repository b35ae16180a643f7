"""One value of a config: is it what the field's declaration asks for?"""

from __future__ import annotations

from typing import Any

from componentconfig.setting import Setting

UNREADABLE = object()

_TEXT_LIMIT = 4096
_ITEMS_LIMIT = 256


def read_value(kind: Any, about: Setting, value: Any) -> tuple[Any, str]:
    """The value as the field holds it and ``""``, or UNREADABLE and what was expected (``seconds from 1 to 3600``).

    Kinds: bool, int, str, tuple[str, ...]. A bool is no int and a number is no text.
    """
    read_as = _convert(kind, value)
    expected = about.expected or _DEFAULT_PHRASE[kind]
    if read_as is UNREADABLE:
        return UNREADABLE, expected
    if about.choices and read_as not in about.choices:
        return UNREADABLE, "one of " + ", ".join(str(choice) for choice in about.choices)
    if isinstance(read_as, int) and not _in_range(read_as, about):
        return UNREADABLE, f"{expected} {_range(about)}"
    if about.check is not None and (phrase := about.check(read_as)):
        return UNREADABLE, phrase
    return read_as, ""


def _convert(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value if isinstance(value, bool) else UNREADABLE
    if kind is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else UNREADABLE
    if kind is str:
        return value if _is_text(value) else UNREADABLE
    if kind == tuple[str, ...]:
        fits = isinstance(value, list) and len(value) <= _ITEMS_LIMIT and all(_is_text(item) for item in value)
        return tuple(value) if fits else UNREADABLE
    raise TypeError(f"no reader for fields of kind {kind}")


_DEFAULT_PHRASE: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    tuple[str, ...]: "a list of texts",
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT_LIMIT and not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)


def _in_range(value: int, about: Setting) -> bool:
    return (about.minimum is None or value >= about.minimum) and (about.maximum is None or value <= about.maximum)


def _range(about: Setting) -> str:
    if about.minimum is None:
        return f"up to {about.maximum}"
    if about.maximum is None:
        return f"from {about.minimum}"
    return f"from {about.minimum} to {about.maximum}"
