"""What Rules watches: properties whose changes it is told after the commit. Without rules nothing is watched and nothing costs.

What Rules has no room for is not queued: the newest state is said when there is room, so that a slow Rules never holds DeviceTwin up.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecore.beehive.letters import Seen, TwinsChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin.models import UNKNOWN, Model, kind_of
from edgecore.devicetwin.shadow import Shadow
from edgecore.devicetwin.turn import Turn
from viaduct.vocabulary import ModuleName

Place = tuple[str, str]


class Watching:
    def __init__(self) -> None:
        self._places: frozenset[Place] = frozenset()
        self._devices: frozenset[str] = frozenset()
        self._due: set[Place] = set()

    def begin(self, places: frozenset[Place]) -> None:
        self._places = places
        self._devices = frozenset(device for device, _ in places)
        self.say_all()

    def say_all(self) -> None:
        self._due = set(self._places)

    def follow(self, turn: Turn) -> None:
        """What ``turn`` changed is due. Of a device whose state changed all is: a value of one that is offline cannot be relied on."""
        if not self._places:
            return
        self._due.update(self._places.intersection(turn.changed_twins))
        devices = self._devices.intersection((*turn.removed, *turn.changed_devices))
        self._due.update(place for place in self._places if place[0] in devices)

    def place(self, switchboard: Switchboard, shadows: Mapping[str, Shadow], models: Mapping[str, Model]) -> bool:
        """Say what is due. False: there is no room now."""
        if not self._due or not switchboard.knows(ModuleName.RULES):
            return True
        if not switchboard.send(ModuleName.RULES, TwinsChanged({place: seen(place, shadows, models) for place in self._due})):
            return False
        self._due.clear()
        return True


def seen(place: Place, shadows: Mapping[str, Shadow], models: Mapping[str, Model]) -> Seen | None:
    """None: there is no such property. The value of a device that is offline is as good as none."""
    shadow = shadows.get(place[0])
    twin = shadow.twins.get(place[1]) if shadow is not None else None
    if shadow is None or twin is None or twin.gone:
        return None
    kind = kind_of(twin, models.get(place[0], UNKNOWN).facts(place[1]))
    return Seen(kind, twin.actual.value if twin.actual is not None and shadow.state != "offline" else None)
