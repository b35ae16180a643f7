"""What is wrong with a file of rules, by line and column. Never loaded by the agent.

``yaml`` is asked for the places of values; where a value stands over several lines or has escapes, its characters are followed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from viaduct.rules.rule import Fault, MalformedRule, Path, read_file_rule

_UNFIT = (ValueError, TypeError, OverflowError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises where a tag (``!!bool x``) does not fit its value, and where there is no end to the nesting."""

_TAKEN_FOR_TRUTH = frozenset({"on", "off", "yes", "no"})


@dataclass(frozen=True, slots=True)
class Remark:
    """``line`` and ``column`` from 1; 0: of the whole file."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """``rules``: names of those that are well. ``notes``: what is no fault, and mostly not meant."""

    rules: tuple[str, ...]
    faults: tuple[Remark, ...]
    notes: tuple[Remark, ...] = ()


def examine(text: str) -> Examined:
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        return Examined((), (Remark(*place, f"not YAML: {exc.problem or exc.context}"),))
    except (yaml.YAMLError, *_UNFIT) as exc:
        return Examined((), (Remark(0, 0, f"not YAML: {str(exc)[:200]}"),))
    if not documents:
        return Examined((), (Remark(0, 0, "there is no rule in it"),))
    rules: list[str] = []
    faults: list[Remark] = []
    for document, node in zip(documents, [node for node in nodes if not _is_null(node)], strict=False):
        try:
            namespace, name, _ = read_file_rule(document)
            if f"{namespace}/{name}" in rules:
                faults.append(Remark(*_begin(node), f"metadata.name: there are two rules {namespace}/{name} in the file"))
            rules.append(f"{namespace}/{name}")
        except MalformedRule as exc:
            faults += [_remark(fault, node, text) for fault in exc.faults]
    notes = [note for node in nodes for note in _notes(node)]
    return Examined(tuple(rules), tuple(faults), tuple(notes))


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _remark(fault: Fault, root: yaml.Node, text: str) -> Remark:
    node = _node_at(root, fault.path)
    if fault.offset is None or not isinstance(node, yaml.ScalarNode):
        return Remark(*_begin(node), str(fault))
    line, column = _place_in(node, fault.offset, text)
    reason = fault.reason.partition(": ")[2]
    return Remark(line, column, str(Fault(fault.path, reason)))


def _node_at(root: yaml.Node, path: Path) -> yaml.Node:
    """The node under ``path``, or the nearest one above that is there."""
    node = root
    for part in path:
        found = _child(node, part)
        if found is None:
            return node
        node = found
    return node


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == part), None)
    return None


def _begin(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _place_in(node: yaml.ScalarNode, offset: int, text: str) -> tuple[int, int]:
    """Where character ``offset`` of the value stands: its characters are sought one after the other; YAML only adds to them."""
    at, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        at = text.find("\n", at) + 1
    elif node.style in ("'", '"'):
        at += 1
    found = at
    for char in node.value[: offset + 1]:
        if char.isspace():
            continue
        sought = text.find(char, at, end)
        if sought < 0:
            return _begin(node)
        found, at = sought, sought + 1
    if offset >= len(node.value.rstrip()):
        found = at
    return text.count("\n", 0, found) + 1, found - text.rfind("\n", 0, found)


def _notes(root: yaml.Node) -> Iterator[Remark]:
    for field in ("then", "else"):
        actions = _node_at(root, ("spec", field))
        for action in actions.value if isinstance(actions, yaml.SequenceNode) else ():
            value = _child(action, "value")
            if isinstance(value, yaml.ScalarNode) and value.style is None and value.value.lower() in _TAKEN_FOR_TRUTH:
                truth = "true" if value.value.lower() in ("on", "yes") else "false"
                yield Remark(*_begin(value), f'note: YAML takes {value.value} for {truth}; where the text is meant write "{value.value}"')
