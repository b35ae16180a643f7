"""Words that help the person who mistyped: did you mean, and a short form of what was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from componentconfig.setting import entries

_SHOWN = 60


def shown(value: object) -> str:
    """A short, printable form of a value: ``'fast'``, ``a mapping``, ``12``."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    try:
        text = repr(value)
    except ValueError:
        return "a number too long to show"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def shown_key(key: object) -> str:
    """A key as it stands in the file, shortened where it is no key of anybody's."""
    return key if isinstance(key, str) and key.isprintable() and len(key) <= _SHOWN else shown(key)


def hint(key: str, path: str, cls: type[Any], root: type[Any]) -> str:
    """``; did you mean heartbeat?`` for a key of ``cls`` (at ``path``) that resembles, or the full key of one elsewhere in ``root``."""
    import difflib  # half a megabyte, for the one who mistyped

    here = {entry.key.lower(): entry.key for entry in entries(cls)}
    close = difflib.get_close_matches(key.lower(), here, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {here[close[0]]}?"
    elsewhere = [full for full in _paths(root, "") if full.rsplit(".", 1)[-1].lower() == key.lower()]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    return f"; known here: {', '.join(sorted(here.values()))}" if not path or len(here) <= 8 else ""


def _paths(cls: type[Any], path: str) -> list[str]:
    found: list[str] = []
    for entry in entries(cls):
        full = f"{path}.{entry.key}" if path else entry.key
        found.append(full)
        if entry.section is not None:
            found.extend(_paths(entry.section, full))
    return found
