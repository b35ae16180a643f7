"""What a verb works on: the store, the kinds that are served, the clock and a source of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudstub.errors import NotFound
from cloudstub.kinds.ages import timestamp
from cloudstub.kinds.catalog import Catalog
from cloudstub.kinds.kind import Kind
from cloudstub.store.records import Key
from cloudstub.store.store import Store
from cloudstub.verbs.addresses import ClusterAddresses


@dataclass(frozen=True, slots=True)
class World:
    """Handed to every verb. ``clock`` gives aware datetimes; ``new_uid`` and ``new_suffix`` give fresh random text."""

    store: Store
    catalog: Catalog
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    new_suffix: Callable[[], str]
    addresses: ClusterAddresses = field(default_factory=ClusterAddresses)

    def now(self) -> str:
        return timestamp(self.clock())


@dataclass(frozen=True, slots=True)
class Target:
    """Which resource a request is about. ``version`` is the one in which the client speaks; ``namespace`` is empty for
    kinds without one, and None for a list over all namespaces.
    """

    kind: Kind
    version: str
    namespace: str | None = ""
    name: str = ""

    @property
    def key(self) -> Key:
        return Key(self.kind.resource, self.namespace or "", self.name)

    @property
    def api_version(self) -> str:
        return self.kind.api_version(self.version)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Query parameters of a write. ``strictness`` of unknown fields is Strict, Warn or Ignore."""

    dry_run: bool = False
    strictness: str = "Warn"
    manager: str = ""
    force: bool = False


PLAIN = WriteOptions()


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write: the object's JSON in its storage version, and what the client should be told."""

    body: bytes
    created: bool = False
    warnings: tuple[str, ...] = ()


def not_found(target: Target) -> NotFound:
    return NotFound(f'{target.kind.resource} "{target.name}" not found', details=details(target))


def details(target: Target) -> dict[str, Any]:
    """The details part of a Status."""
    found: dict[str, Any] = {"name": target.name, "kind": target.kind.plural}
    if target.kind.group:
        found["group"] = target.kind.group
    return found
