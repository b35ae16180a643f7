"""What a DeviceRule says (P8.1): from the object, as JSON has it, to a value, or to everything that is wrong with it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from viaduct.device import MAX_VALUE, is_value
from viaduct.errors import ViaductError
from viaduct.rules import duration
from viaduct.rules.condition import Condition, Place
from viaduct.rules.fault import ExpressionFault
from viaduct.rules.parser import MAX_NAME

GROUP = "rules.devices.bramble.io"
API_VERSION = f"{GROUP}/v1alpha1"
KIND = "DeviceRule"
MAX_ACTIONS = 16
MAX_VALUES = 10_000
"""Parts of an object."""

_FIELDS = ("nodeName", "nodeSelector", "when", "for", "then", "else", "cooldown")
_ACTION_FIELDS = ("device", "property", "value")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """``path`` of the field, ``reason``, and for an expression the ``offset`` in its text."""

    path: Path
    reason: str
    offset: int | None = None

    def __str__(self) -> str:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return f"{where}: {self.reason}" if where else self.reason


class MalformedRule(ViaductError):
    """``faults``: all that is wrong, in the order of the fields."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Action:
    """Desire ``value`` of the property ``name``."""

    device: str
    name: str
    value: str

    @property
    def place(self) -> Place:
        return self.device, self.name

    def __str__(self) -> str:
        return f"{self.device}.{self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class Rule:
    """``hold``: seconds for which ``when`` must be true (``spec.for``). ``cooldown``: seconds from one firing to the next."""

    when: Condition
    then: tuple[Action, ...]
    otherwise: tuple[Action, ...] = ()
    hold: float = 0.0
    cooldown: float = 0.0


def read_rule(obj: Any) -> Rule:
    """The rule that an object says in ``spec``. Where it is for is not looked at.

    Raises:
        MalformedRule: and nothing else, whatever ``obj`` is.
    """
    reader = _Reader()
    spec = obj.get("spec") if isinstance(obj, dict) else None
    if not isinstance(spec, dict):
        raise MalformedRule((Fault(("spec",), "expected an object with `when` and `then`"),))
    rule = reader.rule(spec)
    if rule is None or reader.faults:
        raise MalformedRule(tuple(reader.faults))
    return rule


def read_file_rule(document: Any) -> tuple[str, str, Rule]:
    """(namespace, name, rule) of a document in a file, which must say what it is. Raises MalformedRule."""
    if not isinstance(document, dict):
        raise MalformedRule((Fault((), f"expected a {KIND}"),))
    if not is_small(document):
        raise MalformedRule((Fault((), f"it has more than {MAX_VALUES} values"),))
    faults = [
        Fault((field,), f"expected {wanted}, got {str(document.get(field))[:60]!r}")
        for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND))
        if document.get(field) != wanted
    ]
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace", "default")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        faults.append(Fault(("metadata", "name"), "expected a name of small letters, digits, '-' and '.'"))
    if not isinstance(namespace, str) or not _NAME.fullmatch(namespace):
        faults.append(Fault(("metadata", "namespace"), "expected the name of a namespace"))
    rule = None
    try:
        rule = read_rule(document)
    except MalformedRule as exc:
        faults += exc.faults
    if faults or rule is None:
        raise MalformedRule(tuple(faults))
    return str(namespace), str(name), rule


def is_small(value: Any) -> bool:
    """Whether ``value`` has no more than MAX_VALUES parts, counted as often as they are met: few YAML aliases can mean millions."""
    stack, met = [value], 0
    while stack and met <= MAX_VALUES:
        part = stack.pop()
        met += 1
        if isinstance(part, dict):
            stack += part.values()
        elif isinstance(part, list):
            stack += part
    return met <= MAX_VALUES


def nodes_of(obj: Any) -> tuple[str, ...]:
    """The nodes that an object names: by ``spec.nodeName``, or literally by the values of a selector in the form that Devices have."""
    spec = obj.get("spec") if isinstance(obj, dict) else None
    if not isinstance(spec, dict):
        return ()
    found = [spec.get("nodeName")]
    selector = spec.get("nodeSelector")
    for term in _list(selector, "nodeSelectorTerms"):
        for expression in _list(term, "matchExpressions"):
            found += _list(expression, "values")
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str) and name))


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def rule(self, spec: dict[str, Any]) -> Rule | None:
        self._known(spec, _FIELDS, ("spec",))
        when = self._when(spec.get("when"))
        hold, cooldown = self._time(spec, "for"), self._time(spec, "cooldown")
        then, otherwise = self._actions(spec, "then", needed=True), self._actions(spec, "else", needed=False)
        return Rule(when, then, otherwise, hold, cooldown) if when is not None else None

    def _when(self, text: Any) -> Condition | None:
        path: Path = ("spec", "when")
        if not isinstance(text, str):
            self._add(path, "expected a condition as text, such as 'sensor.temperature > 30'")
            return None
        try:
            return Condition(text)
        except ExpressionFault as exc:
            self.faults.append(Fault(path, str(exc), exc.offset))
            return None

    def _time(self, spec: dict[str, Any], field: str) -> float:
        value = spec.get(field)
        if value is None:
            return 0.0
        found = duration.seconds(value) if isinstance(value, str) else None
        if found is None:
            self._add(("spec", field), f"expected a time of at most 31 days, such as 10s, 5m or 1h30m, got {str(value)[:40]!r}")
        return found or 0.0

    def _actions(self, spec: dict[str, Any], field: str, *, needed: bool) -> tuple[Action, ...]:
        path: Path = ("spec", field)
        value = spec.get(field)
        if value is None and not needed:
            return ()
        if not isinstance(value, list) or (needed and not value):
            self._add(path, "expected a list of {device, property, value}")
            return ()
        if len(value) > MAX_ACTIONS:
            self._add(path, f"{len(value)} entries, the limit is {MAX_ACTIONS}")
            return ()
        found = [action for index, entry in enumerate(value) if (action := self._action(entry, (*path, index))) is not None]
        for index, action in enumerate(found):
            if action.place in {other.place for other in found[:index]}:
                self._add((*path, index), f"{action.device}.{action.name} is set twice")
        return tuple(found)

    def _action(self, entry: Any, path: Path) -> Action | None:
        if not isinstance(entry, dict):
            self._add(path, "expected {device, property, value}")
            return None
        before = len(self.faults)
        self._known(entry, _ACTION_FIELDS, path)
        device, name = self._name(entry, "device", path), self._name(entry, "property", path)
        value = self._desired(entry.get("value"), (*path, "value"))
        return Action(device, name, value) if len(self.faults) == before else None

    def _name(self, entry: dict[str, Any], field: str, path: Path) -> str:
        value = entry.get(field)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
            self._add((*path, field), f"expected the name of a {field}")
            return ""
        return value

    def _desired(self, value: Any, path: Path) -> str:
        """As a twin has it: texts as they are, numbers and truth values as JSON writes them."""
        if isinstance(value, float | int) and not abs(value) < (2**63 if isinstance(value, int) else math.inf):
            self._add(path, "the number is too large")
        elif isinstance(value, bool | int | float):
            return json.dumps(value)
        elif not isinstance(value, str) or not value:
            self._add(path, "expected a text, a number, true or false")
        elif not is_value(value):
            self._add(path, f"expected printable text of at most {MAX_VALUE} characters")
        else:
            return value
        return ""

    def _known(self, value: dict[str, Any], fields: tuple[str, ...], path: Path) -> None:
        for key in value:
            if key not in fields:
                # YAML 1.1 reads the key `on` as true.
                self._add(path, f"unknown field {str(key)[:40]!r}; it has {', '.join(fields)}")

    def _add(self, path: Path, reason: str) -> None:
        self.faults.append(Fault(path, reason))
