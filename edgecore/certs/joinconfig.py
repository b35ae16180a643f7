"""Setting a few keys in a config file that a person wrote, so that everything else in it, comments too, stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from componentconfig.rendering import scalar
from edgecore.errors import ConfigError

Path = tuple[str, ...]

_INDENT = "  "


def with_values(text: str, changes: Mapping[Path, str]) -> str:
    """``text`` (YAML that ``edgecore.configfile`` has read) with the value at each path set; keys match in any case.

    Raises:
        ConfigError: the file is laid out so that this cannot be done in place (flow style, block scalars).
    """
    for path, value in changes.items():
        text = _with_value(text, path, value)
        if _found(yaml.safe_load(text), path) != value:
            raise ConfigError(f"{'.'.join(path)}: cannot be set in a file laid out like this; set it to {value!r} by hand")
    return text


def _with_value(text: str, path: Path, value: str) -> str:
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return _ended(text) + _block(path, value, 0)
    node: yaml.Node = root
    for depth, key in enumerate(path):
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            raise ConfigError(f"{'.'.join(path[:depth])}: expected keys in block style, each on a line of its own")
        child = _child(node, key)
        if child is None:
            return _appended(text, node, path[depth:], value)
        if _is_empty(child) and depth < len(path) - 1:
            at = _index(child.end_mark)
            return text[:at] + "\n" + _block(path[depth + 1 :], value, _column(node) + len(_INDENT)).rstrip("\n") + text[at:]
        node = child
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        raise ConfigError(f"{'.'.join(path)}: expected a value on one line")
    start, end = _index(node.start_mark), _index(node.end_mark)
    gap = " " if text[start - 1 : start] == ":" else ""
    return text[:start] + gap + scalar(value) + text[end:]


def _appended(text: str, node: yaml.MappingNode, path: Path, value: str) -> str:
    """After the last line of the mapping, so that no comment is parted from the key below it."""
    end = text.find("\n", _index(_last(node).end_mark))
    head = text if end < 0 else text[: end + 1]
    return _ended(head) + _block(path, value, _column(node)) + text[len(head) :]


def _last(node: yaml.Node) -> yaml.Node:
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _block(path: Path, value: str, column: int) -> str:
    lines = [" " * column + _INDENT * depth + key + ":" for depth, key in enumerate(path)]
    return "\n".join(lines) + " " + scalar(value) + "\n"


def _child(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    for name, child in node.value:
        if isinstance(name.value, str) and name.value.lower() == key.lower():
            found: yaml.Node = child
            return found
    return None


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and node.style is None


def _found(tree: Any, path: Path) -> Any:
    for key in path:
        matching = {name.lower(): value for name, value in tree.items()} if isinstance(tree, dict) else {}
        tree = matching.get(key.lower())
    return tree


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _index(mark: Any) -> int:
    index: int = mark.index
    return index


def _column(node: yaml.Node) -> int:
    mark: Any = node.start_mark
    column: int = mark.column
    return column
