"""Config values as YAML text: the full one with comments, and the minimal one (contract 9.1). Both read back as what was printed."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from componentconfig.setting import Entry, entries

_INDENT = "  "
_WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9_./:-]*[A-Za-z0-9])?")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

_FULL_HEADER = """\
# With --defaultconfig every setting is printed, each with the value that holds when it is left out.
# With --minconfig only those are printed that a person is likely to change.
# With --config FILE the program reads a file like this; what the file leaves out keeps its default.
"""
_MIN_HEADER = """\
# With --minconfig only the settings are printed that a person is likely to change.
# With --defaultconfig every setting is printed, each explained.
# With --config FILE the program reads a file like this; what the file leaves out keeps its default.
"""


def render_full(config: Any) -> str:
    """The whole of ``config`` (an instance of a root class), every key under its comment, sorted."""
    return _FULL_HEADER + "\n" + _root(config, lambda entry: True, comments=True)


def render_min(config: Any) -> str:
    """Only the settings declared ``minimal``, and those whose value is not the default; sorted, without comments."""
    return _MIN_HEADER + "\n" + _root(config, lambda entry: entry.setting.minimal, comments=False)


def render_default(root: Callable[[], Any]) -> str:
    """The full text of the defaults of a root class."""
    return render_full(root())


def scalar(value: object) -> str:
    """One value as YAML: plain where that is safe, else in double quotes (JSON's, which YAML reads alike)."""
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) and value.lower() not in _WORDS):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _root(config: Any, chosen: Callable[[Entry], bool], *, comments: bool) -> str:
    blocks = {entry.key: list(_entry(entry, config, chosen, 0, comments)) for entry in entries(type(config))}
    blocks["apiVersion"] = [f"apiVersion: {config.API_VERSION}"]
    blocks["kind"] = [f"kind: {config.KIND}"]
    return "\n".join(line for key in sorted(blocks, key=str.lower) for line in blocks[key]) + "\n"


def _section(value: Any, chosen: Callable[[Entry], bool], depth: int, comments: bool) -> Iterator[str]:
    for entry in sorted(entries(type(value)), key=lambda entry: entry.key.lower()):
        yield from _entry(entry, value, chosen, depth, comments)


def _entry(entry: Entry, owner: Any, chosen: Callable[[Entry], bool], depth: int, comments: bool) -> Iterator[str]:
    value = getattr(owner, entry.attribute)
    pad = _INDENT * depth
    if entry.section is not None:
        lines = list(_section(value, chosen, depth + 1, comments))
        if lines:
            yield from _comment(entry.setting.comment, pad) if comments else ()
            yield f"{pad}{entry.key}:"
            yield from lines
    elif chosen(entry) or value != entry.default:
        yield from _comment(entry.setting.comment, pad) if comments else ()
        yield from _value(entry.key, value, pad)


def _value(key: str, value: object, pad: str) -> Iterator[str]:
    if isinstance(value, tuple):
        yield f"{pad}{key}:" if value else f"{pad}{key}: []"
        yield from (f"{pad}- {scalar(item)}" for item in value)
    else:
        yield f"{pad}{key}: {scalar(value)}"


def _comment(text: str, pad: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - len(pad)):
        yield f"{pad}# {line}"
