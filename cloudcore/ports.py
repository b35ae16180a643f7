"""What CloudHub and the controllers are to each other. They are strangers; ``app.py`` introduces them by these interfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from viaduct.message import Message


@dataclass(frozen=True, slots=True)
class Owed:
    """Something a node should hold.

    ``key`` is the object's place at the edge: the wire resource (``default/pod/web``) or ``device/<id>``. ``uid`` and ``version`` say which
    object at which version (``version`` is the Kubernetes resourceVersion). ``message`` carries it; its header has the version too.
    ``removal`` marks a message after which the node must not hold the object any more.
    """

    key: str
    uid: str
    version: str
    message: Message
    removal: bool = False


class Downlink(Protocol):
    """CloudHub, as the controllers see it."""

    def offer(self, node: str, owed: Owed) -> bool:
        """Owe it to ``node`` now; the newest version of a key wins. False: the node is away, which is no fault: when it comes back
        every controller is asked what it should hold. Never waits."""

    def tell(self, node: str, message: Message) -> bool:
        """Send once, owe nothing (bookkeeping replies, lists). False: the node is away."""

    def connected(self) -> frozenset[str]:
        """Names of the nodes whose session lives."""


class Uplink(Protocol):
    """A controller, as CloudHub sees it."""

    def owed(self, node: str) -> Iterable[Owed]:
        """Everything that ``node`` should hold now, from the informers' caches."""

    def removal(self, node: str, key: str, uid: str) -> Owed | None:
        """The message that takes ``key`` away from ``node``, or None where the key is not of this controller's kind."""

    async def take(self, node: str, message: Message) -> Message | None:
        """Do what ``node`` asks or reports (resource without ``node/…`` prefix); the answer to a question, or None.

        Returning means: the API server has accepted it (D1), CloudHub acknowledges.

        Raises:
            Refused: it can never take effect. KubeError: not now; it is not acknowledged and comes again.
        """

    def node_changed(self, node: str, connected: bool) -> None:
        """The session of ``node`` began or ended."""


class DeliveryRecord(Protocol):
    """Where CloudHub writes down what a node has acknowledged (ObjectSync); off the hot path, in batches."""

    def delivered(self, node: str, owed: Owed) -> None: ...

    def known(self, node: str) -> dict[str, tuple[str, str]]:
        """For plain mode: key to (uid, version) as recorded for ``node``."""


JsonObject = dict[str, Any]
