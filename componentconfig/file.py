"""The door to YAML files: text to plain values, within limits. Comments and positions are lost."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from componentconfig.errors import ConfigError

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

SIZE_LIMIT = 1024 * 1024
DEPTH_LIMIT = 32
_UNFIT = (ValueError, TypeError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises where a tag (``!!bool x``) does not fit its value."""


def load(path: Path) -> Any:
    """The parsed content of the one YAML document in ``path``; None for an empty file.

    Raises:
        ConfigError: no such file, not readable, over 1 MiB, not UTF-8, not YAML, aliases, too deep, a key given twice.
    """
    return parse(path, read_text(path))


def parse(path: Path | str, text: str) -> Any:
    """The content of the one YAML document in ``text``; ``path`` is named in errors. Raises: ConfigError as ``load``."""
    try:
        _check_events(path, text)
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, *_UNFIT) as exc:
        if "nesting depth" in str(exc):  # libyaml looks ahead, so its own limit may come before ours
            raise ConfigError(f"{path}: nested deeper than {DEPTH_LIMIT} levels") from exc
        raise ConfigError(f"{path}: not a YAML document that can be read: {_first_lines(exc)}") from exc


def read_text(path: Path) -> str:
    """The file's text. Raises: ConfigError as ``load``."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{path}: larger than {SIZE_LIMIT} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 text (byte {exc.start})") from exc


class _Loader(_Base):
    """Refuses a key given twice, where PyYAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value.__class__ is str and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} given twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _check_events(path: Path | str, text: str) -> None:
    """Before anything is built: no aliases (a few lines of them can grow to gigabytes) and no bottomless nesting."""
    depth = 0
    for event in yaml.parse(text, _Base):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path}: {_line(event)}: YAML aliases (*name) are not read in config files")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise ConfigError(f"{path}: {_line(event)}: nested deeper than {DEPTH_LIMIT} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def _first_lines(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300]
