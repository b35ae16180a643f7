"""Label and field selectors: from the query's text to a predicate over objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudstub.errors import BadRequest
from cloudstub.kinds.kind import Kind
from cloudstub.kinds.names import label_value_fault, qualified_fault
from cloudstub.store.records import Object

Predicate = Callable[[Object], bool]

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,()=!]*)")
_EXISTS = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s!=,()]+)")
LONGEST = 64 * 1024

FIELDS = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "events": (
        *(f"involvedObject.{f}" for f in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; an empty ``values`` with operator ``exists`` or ``!exists``."""

    key: str
    operator: str
    values: frozenset[str]

    def matches(self, labels: Any) -> bool:
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values if value is not None else False
        if self.operator == "notin":
            return value is None or value not in self.values
        return (value is not None) == (self.operator == "exists")


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """``a=b,c!=d,e in (f,g),!h`` to its terms.

    Raises:
        BadRequest: it is none.
    """
    if len(text) > LONGEST:
        raise BadRequest(f"labelSelector: longer than {LONGEST} characters")
    requirements = []
    at = 0
    while at < len(text):
        requirement, at = _term(text, at)
        requirements.append(requirement)
        rest = text[at:].lstrip()
        if rest and not rest.startswith(","):
            raise BadRequest(f"unable to parse requirement: found '{rest[:40]}', expected: ',' or 'end of string'")
        at = len(text) - len(rest) + 1
    return tuple(requirements)


def _term(text: str, at: int) -> tuple[Requirement, int]:
    while at < len(text) and text[at].isspace():
        at += 1
    if match := _SET.match(text, at):
        values = frozenset(value.strip() for value in match["values"].split(","))
        requirement = Requirement(match["key"], match["op"], values)
    elif match := _EQUAL.match(text, at):
        operator = "notin" if match["op"] == "!=" else "in"
        requirement = Requirement(match["key"], operator, frozenset((match["value"],)))
    elif match := _EXISTS.match(text, at):
        requirement = Requirement(match["key"], "!exists" if match["not"] else "exists", frozenset())
    else:
        raise BadRequest(f"unable to parse requirement: found '{text[at : at + 40]}', expected: identifier")
    fault = qualified_fault(requirement.key) or next(filter(None, map(label_value_fault, requirement.values)), "")
    if fault:
        raise BadRequest(f"unable to parse requirement: {requirement.key[:80]!r}: {fault}")
    return requirement, match.end()


def parse_fields(text: str, kind: Kind) -> tuple[tuple[str, str, bool], ...]:
    """``metadata.name=a,status.phase!=Failed`` to (path, value, equal).

    Raises:
        BadRequest: not understood, or not a field that this kind can be selected by.
    """
    terms = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"([^=!]+?)(==|=|!=)(.*)", part)
        if match is None:
            raise BadRequest(f"invalid field selector: {part[:80]!r}; can't understand it")
        path, operator, value = match[1].strip(), match[2], match[3].strip()
        if path not in ("metadata.name", "metadata.namespace", *FIELDS.get(kind.resource, ())):
            raise BadRequest(f'field label not supported: "{path[:80]}" for {kind.resource}')
        terms.append((path, re.sub(r"\\(.)", r"\1", value), operator != "!="))
    return tuple(terms)


def predicate(label_selector: str, field_selector: str, kind: Kind) -> Predicate | None:
    """Both selectors as one test; None if everything matches.

    Raises:
        BadRequest: one of them is not understood.
    """
    requirements = parse_labels(label_selector)
    fields = [(path.split("."), value, equal) for path, value, equal in parse_fields(field_selector, kind)]
    if not requirements and not fields:
        return None

    def matches(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(r.matches(labels) for r in requirements) and all((_text(obj, path) == value) == equal for path, value, equal in fields)

    return matches


def single_name(field_selector: str, kind: Kind) -> str | None:
    """The name if the selector asks for exactly one object by name."""
    names = [value for path, value, equal in parse_fields(field_selector, kind) if path == "metadata.name" and equal]
    return names[0] if names else None


def _text(obj: Object, path: list[str]) -> str:
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if path == ["source"] and isinstance(value, dict):
        value = value.get("component")
    if value is None:
        return "false" if path[-1] == "unschedulable" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
