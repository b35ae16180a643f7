"""What a batch of letters comes to: rows to write, then messages to send, in the order of the letters. No I/O.

DeviceTwin takes the letters that have gathered, lets a ``Turn`` gather their effects, writes these in one transaction, and only then sends.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edgecore.beehive.letters import Publish
from edgecore.devicetwin import rows
from edgecore.devicetwin.forms import Forms
from edgecore.devicetwin.merge import Change
from edgecore.devicetwin.models import UNKNOWN, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.store import outbox, twins
from edgecore.store.transaction import Transaction
from viaduct.codec import encode
from viaduct.device import twin_update_content
from viaduct.message import Message, new_message
from viaduct.resource import device_state, edge_updated
from viaduct.vocabulary import Group, Operation, Source


@dataclass(slots=True)
class Turn:
    """``shadows`` is DeviceTwin's memory, changed in place, as ``forms`` is; ``now_ms`` holds for the whole turn. ``models``: by device.
    ``is_restored``: a broker answers (again), which retains ``restored`` of ours. ``profiles``: the text of each one for mappers, by
    namespace."""

    shadows: dict[str, Shadow]
    node: str
    now_ms: int
    forms: Forms = field(default_factory=Forms)
    models: Mapping[str, Model] = field(default_factory=dict)
    profiles: Callable[[], Mapping[str, str]] = dict
    is_restored: bool = False
    restored: dict[str, bytes] = field(default_factory=dict)
    publishes: list[Publish] = field(default_factory=list)
    to_cloud: list[Message] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    answers: list[tuple[Callable[[list[bytes | str]], None], list[bytes | str]]] = field(default_factory=list)
    _removed: dict[str, Shadow] = field(default_factory=dict)
    _devices: set[str] = field(default_factory=set)
    _twins: dict[tuple[str, str], Twin] = field(default_factory=dict)
    _reports: dict[tuple[str, str], Twin] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _gone_attributes: set[tuple[str, str]] = field(default_factory=set)

    @property
    def writes(self) -> bool:
        return bool(self._removed or self._devices or self._twins or self._states or self._reports)

    @property
    def owes(self) -> bool:
        return bool(self._reports or self._states)

    @property
    def touched(self) -> set[str]:
        """Devices whose memory would be wrong if this turn could not be saved."""
        return {*self._removed, *self._devices, *self._states, *(device for device, _ in self._twins)}

    @property
    def removed(self) -> Mapping[str, Shadow]:
        """Devices that went, as they were; some may be here again."""
        return self._removed

    @property
    def changed_twins(self) -> Mapping[tuple[str, str], Twin]:
        """By device and property, of devices that are still here."""
        return self._twins

    @property
    def changed_devices(self) -> set[str]:
        return self._devices

    def model(self, device: str) -> Model:
        return self.models.get(device, UNKNOWN)

    def say(self, topic: str, payload: str) -> None:
        self.publishes.append(Publish(topic, payload))

    def say_about(self, device: str, topic: Callable[[str], str], payload: str) -> None:
        """What nobody asked for, on ``topic`` of the device in each form that is due."""
        for address in self.forms.addresses(device):
            self.say(topic(address), payload)

    def change_twins(self, shadow: Shadow, changes: Mapping[str, Change], *, report: bool) -> Shadow:
        """Take over ``changes``; with ``report`` they are owed to the cloud. Returns the device as it is now."""
        after = {**shadow.twins}
        for name, change in changes.items():
            key = (shadow.id, name)
            after[name] = self._twins[key] = change.current
            if report:
                self._reports[key] = change.current
        now = Shadow(
            shadow.id,
            shadow.name,
            shadow.description,
            shadow.state,
            shadow.last_online,
            shadow.uid,
            shadow.version,
            shadow.attributes,
            after,
            shadow.faults,
        )
        self.shadows[shadow.id] = now
        return now

    def report(self, device: str, twins: Mapping[str, Twin]) -> None:
        """Owe the cloud what the edge keeps of ``twins``, unchanged."""
        for name, twin in twins.items():
            self._reports[device, name] = twin

    def keep_device(self, shadow: Shadow, *, gone_attributes: Iterable[str] = ()) -> None:
        """Save the device with its attributes; its twins by ``change_twins``."""
        self.shadows[shadow.id] = shadow
        self._devices.add(shadow.id)
        self._gone_attributes.update((shadow.id, name) for name in gone_attributes)

    def report_state(self, shadow: Shadow, text: str) -> None:
        self._states[shadow.id] = text

    def remove_device(self, device: str) -> None:
        """Forget everything about ``device``, what it owed the cloud included."""
        shadow = self.shadows.pop(device)
        self.forms.forget(device)
        self._removed[device] = shadow
        self._devices.discard(device)
        self._states.pop(device, None)
        for gathered in (self._twins, self._reports):
            for key in [key for key in gathered if key[0] == device]:
                del gathered[key]

    def save(self, tx: Transaction) -> None:
        """Everything of this turn. May run more than once."""
        for device, shadow in self._removed.items():
            twins.delete_device(tx, device)
            outbox.take_back(tx, _state_key(device))
            for name in shadow.twins:
                outbox.take_back(tx, _twin_key(device, name))
        for device, name in self._gone_attributes:
            twins.delete_attr(tx, device, name)
        for device in self._devices:
            shadow = self.shadows[device]
            twins.save_device(tx, rows.device_row(shadow))
            for name, attribute in shadow.attributes.items():
                twins.save_attr(tx, rows.attribute_row(device, name, attribute))
        for (device, name), twin in self._twins.items():
            twins.save_twin_values(tx, rows.twin_values(device, name, twin))
        for (device, name), twin in self._reports.items():
            message = self._message(
                edge_updated(device), twin_update_content({name: twin.as_report()}, timestamp=self.now_ms, event_id=_id())
            )
            outbox.owe_text(tx, message.id, encode(message), self.now_ms, key=_twin_key(device, name), lane=_lane(device))
        for device, text in self._states.items():
            outbox.owe(tx, self._message(device_state(device), text), key=_state_key(device), lane=_lane(device))

    def _message(self, resource: str, content: object) -> Message:
        return new_message(
            source=Source.TWIN,
            group=Group.RESOURCE,
            operation=Operation.UPDATE,
            resource=resource,
            now_ms=self.now_ms,
            content=content,
        )


def _lane(device: str) -> str:
    return f"device/{device}"


def _twin_key(device: str, name: str) -> str:
    return f"twin/{device}/{name}"


def _state_key(device: str) -> str:
    return f"state/{device}"


def _id() -> str:
    return str(uuid.uuid4())
