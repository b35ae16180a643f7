"""What CloudHub and the controllers are to each other. They are strangers; ``app.py`` introduces them by these interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


Holding = tuple[str, str, str]
"""(key, uid, version): what a node holds, or should hold, without the object itself."""

Notice = Callable[[str, str], None]
"""``notice(node, key)``: what ``node`` should hold under ``key`` has changed; whether it hears of it has to be seen."""


class Downlink(Protocol):
    """CloudHub, as the controllers see it."""

    def offer(self, node: str, owed: Owed) -> bool:
        """Owe it to ``node`` now; the newest version of a key wins. False: the node is away, which is no fault: when it comes back
        every controller is asked what it should hold. Never waits."""

    def tell(self, node: str, message: Message) -> bool:
        """Send once, owe nothing (bookkeeping replies, lists). False: the node is away."""

    def owes(self, node: str, key: str) -> bool:
        """Whether something about ``key`` is on its way to ``node`` and not acknowledged yet."""

    def acknowledges_devices(self, node: str) -> bool:
        """Whether the session of ``node`` is one in which devices are acknowledged too: a KubeEdge edge never does."""

    def connected(self) -> frozenset[str]:
        """Names of the nodes whose session lives."""


class Uplink(Protocol):
    """A controller, as CloudHub sees it."""

    def holdings(self, node: str) -> Iterable[Holding]:
        """Everything that ``node`` should hold now, from the informers' caches, in the order in which it should get it.

        Raises:
            KubeUnreachable: the caches are not filled yet; an empty answer would empty the board.
        """

    def owed_one(self, node: str, key: str) -> Owed | None:
        """The message for what ``node`` should hold under ``key`` now, or None where it should hold nothing there."""

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


class StreamWire(Protocol):
    """The stream connection of one node (P7.7). ``heard_at``: when the last frame of any kind came, in the event loop's time."""

    heard_at: float

    async def receive(self) -> str | bytes | None:
        """The next message; None at the end."""

    async def send_bytes(self, data: bytes) -> None:
        """Raises ConnectionError when the link is gone."""

    async def ping(self) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None: ...


class StreamTaker(Protocol):
    """CloudStream, as CloudHub sees it."""

    async def serve(self, node: str, wire: StreamWire) -> None:
        """For as long as the stream connection of ``node`` lives."""

    def refused(self, node: str, msg_id: str, reason: str) -> None:
        """``node`` answered the message that asked for the connection with an error."""


class Summoner(Protocol):
    """CloudHub, as CloudStream sees it."""

    def connected(self) -> frozenset[str]: ...

    def serves_streams(self, node: str) -> bool:
        """Whether ``node`` may be asked for a stream connection: a KubeEdge edge does not know them."""

    def tell(self, node: str, message: Message) -> bool:
        """Send once, owe nothing. False: the node is away."""


@dataclass(frozen=True, slots=True)
class KubeletEndpoint:
    """Where an API server finds the kubelet of every node here: at ``<node>.<domain>`` and, where one is given, at ``address``."""

    port: int
    domain: str
    address: str = ""


JsonObject = dict[str, Any]
