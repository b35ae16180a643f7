"""From a parsed mapping to a config value, or to every problem in it (contract 9.1).

Keys match in any case, so that the 1.2 spelling (``edgehub``), that of 1.3 and later (``edgeHub``) and the all-lower-case files of
keadm 1.2 all read. Unlike KubeEdge an unknown key is refused: a misspelt one would otherwise be a setting that silently does nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from componentconfig import suggestion, version
from componentconfig.errors import ConfigError
from componentconfig.setting import Entry, entries
from componentconfig.values import UNREADABLE, read_value

Root = TypeVar("Root")


_MOST_PROBLEMS = 20
"""More are not looked for: such a file is not one of ours."""


@dataclasses.dataclass(slots=True)
class _Findings:
    """What is gathered on the way through the tree; ``paths`` are full keys."""

    root: type[Any]
    problems: list[str] = dataclasses.field(default_factory=list)
    ignored: list[str] = dataclasses.field(default_factory=list)
    docker: list[str] = dataclasses.field(default_factory=list)


def read(mapping: object, root: type[Root]) -> tuple[Root, list[str]]:
    """The config that ``mapping`` (parsed YAML) describes over the defaults of ``root``, and the warnings to print.

    Raises:
        ConfigError: with all problems; nothing is half read.
    """
    if mapping is None:
        mapping = {}
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"config: expected a mapping of keys to values, got {suggestion.shown(mapping)}")
    body, warnings = version.current(mapping, root)
    findings = _Findings(root)
    config = _read_section(body, root, "", findings)
    if findings.problems:
        raise ConfigError(*findings.problems)
    findings.problems.extend(_cross_problems(config, ""))
    if findings.problems:
        raise ConfigError(*findings.problems)
    return config, [*warnings, *_warning(findings)]


def _read_section(body: Mapping[Any, Any], cls: type[Root], path: str, findings: _Findings) -> Root:
    known = {name: entry for entry in entries(cls) for name in entry.names()}
    ignored = {name.lower() for name in getattr(cls, "IGNORED", ())}
    docker = {name.lower() for name in getattr(cls, "DOCKER", ())}
    given: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for key, value in body.items():
        if len(findings.problems) >= _MOST_PROBLEMS:
            break
        full = _join(path, key)
        if not isinstance(key, str):
            findings.problems.append(f"{full}: expected a name as key, got {suggestion.shown(key)}")
        elif (entry := known.get(key.lower())) is not None:
            if entry.attribute in seen:
                findings.problems.append(f"{full}: given twice, also as {seen[entry.attribute]}")
                continue
            seen[entry.attribute] = key
            _take(entry, value, _join(path, entry.key), given, findings)
        elif key.lower() in docker:
            findings.docker.append(full)
        elif key.lower() in ignored:
            findings.ignored.append(full)
        else:
            findings.problems.append(f"{full}: unknown key{suggestion.hint(key, path, cls, findings.root)}")
    return cls(**given)


def _take(entry: Entry, value: Any, full: str, given: dict[str, Any], findings: _Findings) -> None:
    if value is None:
        return  # "key:" without a value keeps the default, as in KubeEdge
    if entry.section is not None:
        if isinstance(value, Mapping):
            given[entry.attribute] = _read_section(value, entry.section, full, findings)
        else:
            findings.problems.append(f"{full}: expected a section with keys, got {suggestion.shown(value)}")
        return
    foreign = _foreign(entry, value)
    if foreign is not UNREADABLE:
        findings.docker.append(full)
        given[entry.attribute] = foreign
        return
    read_as, expected = read_value(entry.kind, entry.setting, value)
    if expected:
        shown = "a value that is not shown here" if entry.setting.secret else suggestion.shown(value)
        findings.problems.append(f"{full}: expected {expected}, got {shown}")
    else:
        given[entry.attribute] = read_as


def _foreign(entry: Entry, value: Any) -> Any:
    if isinstance(value, str):
        for pattern, read_as in entry.setting.foreign:
            if _fits(pattern, value):
                return read_as
    return UNREADABLE


def _fits(pattern: str, value: str) -> bool:
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern


def _cross_problems(config: object, path: str) -> list[str]:
    found: list[str] = []
    if hasattr(config, "problems"):
        found.extend(f"{_join(path, key)}: {text}" for key, text in config.problems())
    for entry in entries(type(config)):
        if entry.section is not None:
            found.extend(_cross_problems(getattr(config, entry.attribute), _join(path, entry.key)))
    return found


def _warning(findings: _Findings) -> list[str]:
    parts = []
    if findings.ignored:
        parts.append("without meaning here and ignored: " + ", ".join(findings.ignored))
    if findings.docker:
        parts.append("Docker and KubeEdge places, read as Podman and ours: " + ", ".join(findings.docker))
    return ["KubeEdge settings " + "; ".join(parts)] if parts else []


def _join(path: str, key: object) -> str:
    shown = suggestion.shown_key(key)
    return f"{path}.{shown}" if path else shown
