"""How a config class declares its fields: ``heartbeat: int = setting(15, "…", expected="seconds", minimum=1)``.

A section is a frozen dataclass. It may have these class variables and method:

- ``IGNORED``: KubeEdge's names in this section that mean nothing here, a whole subtree each; accepted and named in one warning.
- ``DOCKER``: KubeEdge's names that speak of Docker; accepted, and named in the same warning as answered by Podman.
- ``problems(self)``: pairs of (key within the section, what is wrong) for what no single field shows.

A root also has ``API_VERSION``, ``KIND``, and may have ``CONVERTERS`` (older apiVersion to a function that turns a whole mapping of that
version into one of the next known version) and ``REFUSED`` (apiVersion to the reason in words).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_KEY = "componentconfig"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What a field's declaration says beside its type and default. ``check`` gives a phrase for what was expected, or None if well."""

    comment: str
    key: str = ""
    aliases: tuple[str, ...] = ()
    expected: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[Any, ...] = ()
    minimal: bool = False
    secret: bool = False
    check: Callable[[Any], str | None] | None = None
    foreign: tuple[tuple[str, Any], ...] = ()
    """Values that KubeEdge's files have here, and what they are read as. A key that ends in ``*`` matches as a prefix, one that begins
    with ``*`` as a suffix."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One field of a section as reading and printing see it. ``section`` is the class of a nested section."""

    attribute: str
    key: str
    kind: Any
    default: Any
    setting: Setting
    section: type[Any] | None

    def names(self) -> Iterable[str]:
        """Every name under which the key is known, lower case."""
        return {self.key.lower(), *(alias.lower() for alias in self.setting.aliases)}


def setting(default: T, comment: str, **more: Any) -> T:
    """Declare a field of a section; ``more`` are the fields of Setting. A key not given is the attribute's name in camelCase."""
    field: T = dataclasses.field(default=default, metadata={_KEY: Setting(comment, **more)})
    return field


def section(kind: type[T], comment: str = "", **more: Any) -> T:
    """Declare a nested section whose defaults are those of its class."""
    field: T = dataclasses.field(default_factory=kind, metadata={_KEY: Setting(comment, **more)})
    return field


def entries(cls: type[Any]) -> tuple[Entry, ...]:
    """The declared fields of ``cls``, in the order of declaration."""
    kinds = typing.get_type_hints(cls)
    return tuple(_entry(field, kinds[field.name]) for field in dataclasses.fields(cls))


def _entry(field: dataclasses.Field[Any], kind: Any) -> Entry:
    about: Setting = field.metadata[_KEY]
    nested = kind if dataclasses.is_dataclass(kind) and isinstance(kind, type) else None
    default = nested() if nested else field.default
    return Entry(field.name, about.key or _camel(field.name), kind, default, about, nested)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
