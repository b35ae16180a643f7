"""One connection to a device, and what it said unasked. Runs in the event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from mappers.bluetooth.radio import Abilities, Link
from mappers.sdk.errors import DeviceAway, DeviceRefused

logger = logging.getLogger(__name__)


class Visit:
    """``news`` is called with a characteristic that has told another value than before."""

    def __init__(self, label: str, news: Callable[[str], None]) -> None:
        self._label = label
        self._news = news
        self._link: Link | None = None
        self._kept: dict[str, bytes] = {}

    async def begin(self, link: Link, uuids: Iterable[str]) -> None:
        """Subscribe to those of ``uuids`` that can tell by themselves."""
        self._link = link
        known = link.abilities()
        for uuid in sorted(set(uuids)):
            if known.get(uuid, Abilities()).can_notify:
                await self._subscribe(link, uuid)

    def lost(self) -> None:
        """The connection has ended by itself; what was kept may be wrong by now."""
        self._link = None
        self._kept.clear()

    async def read(self, uuid: str) -> bytes:
        """What it told last or, if it has not, what it answers. Raises DeviceAway, DeviceRefused."""
        link, abilities = self._connected(uuid)
        if uuid in self._kept:
            return self._kept[uuid]
        if abilities.can_read:
            return await link.read(uuid)
        if abilities.can_notify:
            raise DeviceRefused("it has not told this yet, and does not answer when asked")
        raise DeviceRefused("it can only be written, and was not yet")

    async def before(self, uuid: str) -> bytes:
        """What a write would replace, as far as it can be known."""
        try:
            return await self.read(uuid)
        except DeviceRefused:
            return b""

    async def write(self, uuid: str, data: bytes) -> None:
        """Raises DeviceAway, DeviceRefused."""
        link, abilities = self._connected(uuid)
        if not (abilities.can_write or abilities.can_write_unanswered):
            raise DeviceRefused("it does not let this be written")
        self._kept.pop(uuid, None)
        await link.write(uuid, data, answered=abilities.can_write)
        if not abilities.can_read:
            # Nobody can ask it, so what was written is what is known.
            self._kept[uuid] = data

    async def end(self) -> None:
        link, self._link = self._link, None
        self._kept.clear()
        if link is not None:
            await link.close()

    async def _subscribe(self, link: Link, uuid: str) -> None:
        try:
            await link.subscribe(uuid, lambda data: self._hear(uuid, data))
        except DeviceRefused as exc:
            # It wants to be paired first, perhaps; what can be read is then asked for at each poll.
            logger.warning("%s does not tell %s by itself: %s", self._label, uuid, exc)

    def _hear(self, uuid: str, data: bytes) -> None:
        is_news = self._kept.get(uuid) != data
        self._kept[uuid] = data
        if is_news:
            self._news(uuid)

    def _connected(self, uuid: str) -> tuple[Link, Abilities]:
        if self._link is None:
            raise DeviceAway(f"{self._label} is not connected")
        abilities = self._link.abilities().get(uuid)
        if abilities is None:
            raise DeviceRefused(f"it has no characteristic {uuid}")
        return self._link, abilities
