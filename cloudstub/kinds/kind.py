"""What a kind is to the API: names, versions, columns and the few ways in which kinds behave differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudstub.kinds.webhook_client import Client

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table as `kubectl get` prints it. ``cell`` gets the object and the time now."""

    name: str
    cell: Callable[[Object, datetime], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0
    """0 is always shown, 1 with `-o wide`."""


@dataclass(frozen=True, slots=True)
class Version:
    """One served version of a kind. ``schema`` is a structural schema, for custom kinds only."""

    name: str
    columns: tuple[Column, ...] = ()
    schema: Mapping[str, Any] | None = None
    has_status: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that is served. ``versions`` is keyed by version name; ``storage`` is the one in which objects are kept."""

    group: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    versions: Mapping[str, Version]
    storage: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    counts_generations: bool = False
    custom: bool = False
    list_kind: str = ""
    preferred: tuple[str, ...] = field(default=())
    """Version names, the best first."""
    converter: Client | None = None
    """The webhook that makes objects of one version into another; None: the versions differ in their name only."""

    @property
    def resource(self) -> str:
        """The key in the store: plural, with the group where it is not core."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def listed_as(self) -> str:
        return self.list_kind or f"{self.kind}List"

    @property
    def stored(self) -> bool:
        """False for questions such as SelfSubjectAccessReview, which are answered and forgotten."""
        return "get" in self.verbs

    def api_version(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version

    def serves_status(self, version: str) -> bool:
        return self.versions[version].has_status
