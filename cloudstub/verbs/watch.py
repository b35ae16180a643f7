"""Watch: the changes of a resource as a client with its selectors sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudstub.errors import ApiError
from cloudstub.store.broadcast import Subscription
from cloudstub.store.records import ADDED, DELETED, MODIFIED, Change, Record
from cloudstub.verbs.representation import served
from cloudstub.verbs.selectors import Predicate, predicate
from cloudstub.verbs.world import Target, World

Render = Callable[[Record], bytes]
MOST_WATCHES = 20_000


class TooManyWatches(ApiError):
    """The server holds as many watches as it will."""

    code, reason = 429, "TooManyRequests"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """``after`` None starts with what is there now, told as ADDED; ``shape`` names the rendering, so that watchers who
    share it share the bytes.
    """

    label_selector: str = ""
    field_selector: str = ""
    after: int | None = None
    shape: str = ""


FROM_NOW = WatchOptions()


def watch(world: World, target: Target, options: WatchOptions = FROM_NOW, render: Render | None = None) -> Subscription:
    """Subscribe. The caller ends it with ``world.store.broadcast.discard``.

    Raises:
        BadRequest: a selector is not understood.
        Gone: the log no longer reaches back to ``options.after``.
        TooManyWatches: no room.
    """
    if len(world.store.broadcast) >= MOST_WATCHES:
        raise TooManyWatches(f"no more than {MOST_WATCHES} watches; try again later")
    wanted = predicate(options.label_selector, options.field_selector, target.kind)
    kind, version = target.kind, target.version

    def plain(record: Record) -> bytes:
        return served(record.body, kind, version)

    lines = _Lines(target, wanted, render or plain, options.shape)
    subscription = Subscription(kind.resource, lines.of)
    if options.after is None:
        for record in world.store.ordered(kind.resource, target.namespace if kind.namespaced else None):
            subscription.offer(Change(ADDED, None, record))
        world.store.broadcast.add(subscription)
    else:
        world.store.subscribe(subscription, after=options.after)
    return subscription


class _Lines:
    """From a change to the line that one watcher reads; lines that many watchers read are made once."""

    def __init__(self, target: Target, wanted: Predicate | None, render: Render, shape: str) -> None:
        self._namespace = target.namespace if target.kind.namespaced else None
        self._wanted = wanted
        self._render = render
        self._shape = (target.version, shape)

    def of(self, change: Change) -> bytes | None:
        if self._namespace is not None and change.key.namespace != self._namespace:
            return None
        seen_as = self._seen_as(change)
        if seen_as is None:
            return None
        view = (self._shape, seen_as)
        line = change.views.get(view)
        if line is None:
            line = event_line(seen_as, self._render(change.after))
            change.views[view] = line
        return line

    def _seen_as(self, change: Change) -> str | None:
        """An object that starts to match is ADDED for this watcher, one that no longer matches is DELETED."""
        if self._wanted is None:
            return change.type
        before = change.before is not None and self._wanted(change.before.value)
        after = change.type != DELETED and self._wanted(change.after.value)
        if before and after:
            return MODIFIED
        return ADDED if after else DELETED if before else None


def event_line(type_: str, body: bytes) -> bytes:
    """One event of a watch stream."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)
