"""GET of many objects: selected, in pages, all from one revision."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cloudstub.errors import BadRequest, Gone
from cloudstub.store.records import Record
from cloudstub.verbs.selectors import predicate, single_name
from cloudstub.verbs.world import Target, World


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``limit`` 0 is everything; ``exact_revision`` None is the present."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    exact_revision: int | None = None


EVERYTHING = ListOptions()


@dataclass(frozen=True, slots=True)
class Page:
    """``remaining`` is None where it is not known, because a selector is at work."""

    records: list[Record]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    revision: int
    namespace: str
    name: str


def list_objects(world: World, target: Target, options: ListOptions = EVERYTHING) -> Page:
    """One page. Pages that follow show the same moment as the first one.

    Raises:
        BadRequest: a selector, or the continue token, is not understood.
        Gone: that moment is too long ago.
    """
    wanted = predicate(options.label_selector, options.field_selector, target.kind)
    place = _decode(options.continue_token) if options.continue_token else None
    revision = place.revision if place else options.exact_revision or world.store.revision
    if revision > world.store.revision:
        raise BadRequest(f"resourceVersion: {revision} lies in the future; the newest is {world.store.revision}")
    records = _after(_candidates(world, target, options, revision), place)
    matching = (record for record in records if wanted is None or wanted(record.value))
    if not options.limit:
        return Page(list(matching), revision)
    return _page(matching, options.limit, revision, counts=wanted is None)


def _candidates(world: World, target: Target, options: ListOptions, revision: int) -> Iterator[Record]:
    name = single_name(options.field_selector, target.kind)
    if name is not None and revision == world.store.revision and target.namespace is not None:
        record = world.store.get(Target(target.kind, target.version, target.namespace, name).key)
        return iter([record] if record else [])
    try:
        return world.store.ordered_at(revision, target.kind.resource, target.namespace if target.kind.namespaced else None)
    except Gone as exc:
        if options.continue_token:
            raise Gone("the provided continue parameter is too old to display a consistent list result; list again") from exc
        raise


def _after(records: Iterator[Record], place: _Place | None) -> Iterator[Record]:
    if place is None:
        return records
    return (record for record in records if record.key[1:] > (place.namespace, place.name))


def _page(matching: Iterator[Record], limit: int, revision: int, *, counts: bool) -> Page:
    records = list(islice(matching, limit))
    further = next(matching, None)
    if further is None:
        return Page(records, revision)
    last = records[-1].key
    token = _encode(_Place(revision, last.namespace, last.name))
    return Page(records, revision, token, 1 + sum(1 for _ in matching) if counts else None)


def _encode(place: _Place) -> str:
    text = json.dumps([place.revision, place.namespace, place.name], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(token: str) -> _Place:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, binascii.Error) as exc:
        raise BadRequest("continue: this is not a token that a list gave") from exc
    if not isinstance(revision, int) or not isinstance(namespace, str) or not isinstance(name, str):
        raise BadRequest("continue: this is not a token that a list gave")
    return _Place(revision, namespace, name)
