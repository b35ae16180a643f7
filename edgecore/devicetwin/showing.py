"""What is retained at the broker for people and for Home Assistant, and what to say so that it stays true (P6.9, P6.10). No I/O.

It is as large as what is retained, is made once, and outlives a DeviceTwin that is started again.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecore.beehive.letters import Publish
from edgecore.devicetwin.homeassistant import HomeAssistant, departing
from edgecore.devicetwin.models import UNKNOWN, Model
from edgecore.devicetwin.people import RETAINED
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from viaduct.tree import Tree, error

_UNTOLD = "unknown"


class Showing:
    """Before a broker answers for the first time nothing is said: then everything is."""

    def __init__(self, tree: Tree, discovery: HomeAssistant | None = None) -> None:
        self.tree = tree
        self.discovery = discovery
        self._shown: dict[str, dict[str, str]] = {}
        self._signs: dict[str, object] = {}
        self._found: Mapping[str, bytes] = {}
        self._models: Mapping[str, Model] = {}
        self._live = False

    def follow(self, turn: Turn) -> list[Publish]:
        """After the commit of ``turn``: what it changes. Of several values in one turn the last one counts."""
        said: list[Publish] = []
        if not self._live:
            return said
        for device in turn.removed:
            self._show(device, turn.shadows.get(device), turn.models, said)
        for (device, name), twin in turn.changed_twins.items():
            self._put_twin(device, name, twin, said)
        for device in turn.changed_devices:
            self._put(device, self.tree.availability(device), turn.shadows[device].state or _UNTOLD, said)
        if self.discovery is not None:
            known_anew = turn.shadows if turn.models is not self._models else turn.touched
            for device in known_anew:
                if device in turn.shadows:
                    self._describe(turn.shadows[device], turn.models, said)
        self._models = turn.models
        return said

    def restored(self, retained: Mapping[str, bytes], shadows: Mapping[str, Shadow], models: Mapping[str, Model]) -> list[Publish]:
        """A broker answers (again) that keeps ``retained``: take away what is stale, say everything that is true."""
        self._live = True
        self._shown, self._signs, self._found, self._models = {}, {}, retained, models
        said: list[Publish] = []
        for device, shadow in shadows.items():
            self._show(device, shadow, models, said)
        wanted = {topic for held in self._shown.values() for topic in held}
        self._found = {}
        stale = [topic for topic in retained if topic not in wanted]
        refused = [Publish(error(topic), RETAINED) for topic in stale if self.tree.addressed(topic)]
        return [*refused, *(Publish(topic, "", retain=True) for topic in stale), *said]

    def catch_up(self, shadows: Mapping[str, Shadow], models: Mapping[str, Model]) -> list[Publish]:
        """DeviceTwin was started again: what changed before it ended and was not said any more."""
        said: list[Publish] = []
        if self._live:
            for device in {*self._shown, *shadows}:
                self._show(device, shadows.get(device), models, said)
        return said

    def announce(self) -> list[Publish]:
        """Home Assistant has started: its discovery topics once more."""
        if self.discovery is None:
            return []
        topics = {device: self.discovery.topic(self.tree.node, device) for device in self._shown}
        return [Publish(topic, self._shown[device][topic], retain=True) for device, topic in topics.items() if topic in self._shown[device]]

    def _show(self, device: str, shadow: Shadow | None, models: Mapping[str, Model], said: list[Publish]) -> None:
        """All of a device; None: it is gone."""
        twins = shadow.twins if shadow is not None else {}
        wanted: set[str] = set()
        if shadow is not None:
            wanted.add(self.tree.availability(device))
            self._put(device, self.tree.availability(device), shadow.state or _UNTOLD, said)
            for name, twin in twins.items():
                wanted |= {self.tree.value(device, name), self.tree.desired(device, name)}
                self._put_twin(device, name, twin, said)
            if self.discovery is not None:
                wanted.add(self.discovery.topic(self.tree.node, device))
                self._describe(shadow, models, said)
        for topic in [topic for topic in self._shown.get(device, ()) if topic not in wanted]:
            self._put(device, topic, "", said)
        if shadow is None:
            self._shown.pop(device, None)
            self._signs.pop(device, None)

    def _put_twin(self, device: str, name: str, twin: Twin, said: list[Publish]) -> None:
        topic = self.tree.value(device, name)
        self._put(device, topic, twin.actual.value if twin.actual is not None else "", said)
        self._put(device, f"{topic}/desired", twin.expected.value if twin.expected is not None else "", said)

    def _describe(self, shadow: Shadow, models: Mapping[str, Model], said: list[Publish]) -> None:
        model = models.get(shadow.id, UNKNOWN)
        sign = (shadow.name, bool(shadow.state), model, tuple((name, twin.type) for name, twin in shadow.twins.items()))
        if self.discovery is None or self._signs.get(shadow.id) == sign:
            return
        self._signs[shadow.id] = sign
        topic = self.discovery.topic(self.tree.node, shadow.id)
        config = self.discovery.config(self.tree, shadow, model)
        before = self._shown.get(shadow.id, {}).get(topic) or self._found.get(topic, b"").decode("utf-8", "replace")
        between = departing(before, config)
        if between:
            said.append(Publish(topic, between, retain=True))
        self._put(shadow.id, topic, config, said)

    def _put(self, device: str, topic: str, payload: str, said: list[Publish]) -> None:
        held = self._shown.setdefault(device, {})
        if held.get(topic, "") == payload:
            return
        if payload:
            held[topic] = payload
        else:
            held.pop(topic, None)
        said.append(Publish(topic, payload, retain=True))
