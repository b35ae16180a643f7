"""DeviceTwin: keeps the expected and reported state of every device (contract 6; P6).

One round: take the letters that have gathered, merge them in memory, write what changed in one transaction, and after the commit publish
the answers in the order of the letters. Letters that come meanwhile wait for the next round, so the batch grows with the load.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from edgecore.beehive.letters import (
    Arrived,
    BusRestored,
    ConfigChanged,
    Desire,
    LinkChanged,
    OutboxChanged,
    Publish,
    PublishAll,
    Watch,
    WatchAgain,
)
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin import documents, orders, people, requests, rows
from edgecore.devicetwin.forms import Forms
from edgecore.devicetwin.models import Model, collected_in, models_of, profile_in
from edgecore.devicetwin.sampling import Sampling
from edgecore.devicetwin.shadow import Shadow
from edgecore.devicetwin.turn import Turn
from edgecore.devicetwin.watching import Watching
from edgecore.errors import StoreError
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.recorder import Recorder
from viaduct import profile, topics
from viaduct.device import to_text
from viaduct.deviceparse import parse_data_update
from viaduct.errors import MalformedPayload
from viaduct.message import Message, new_message
from viaduct.resource import MEMBERSHIP_DETAIL
from viaduct.topics import Request
from viaduct.vocabulary import Group, ModuleName, Operation, ResourceType, Source

if TYPE_CHECKING:
    from edgecore.devicetwin.showing import Showing

logger = logging.getLogger(__name__)

BATCH = 300
"""Letters per round. More would make the first answer of a flood wait longer and save no more syncs."""

RETRY_PLACING = 0.02
"""Seconds until a full mailbox of another module is tried again."""

_Handle = Callable[[topics.Matched, Arrived, Turn], None]
_Wish = Callable[[str, str, Arrived, Turn], None]


class DeviceTwin(Module):
    """Its memory is what the store holds; while a round is being written it is ahead, and is read again when the write fails."""

    name = ModuleName.DEVICETWIN
    group = Group.TWIN

    def __init__(
        self,
        switchboard: Switchboard,
        database: Database,
        *,
        node: str,
        forms: Forms | None = None,
        showing: Showing | None = None,
        recorder: Recorder | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._node = node
        self._forms = forms or Forms()
        self._showing = showing
        self._recorder = recorder
        self._sampling = Sampling()
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._shadows: dict[str, Shadow] = {}
        self._models: dict[str, Model] = {}
        self._told_profiles = ""
        self._mailbox: Mailbox | None = None
        self._unplaced: deque[tuple[str, Any]] = deque()
        self._place_again_at: float | None = None
        self._ledger = False
        self._watching = Watching()

    def run(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        super().run(mailbox)

    def opened(self) -> None:
        self._shadows = rows.shadows(*self._database.read(twins.load_all))
        self._read_models()
        logger.info("%d devices are known", len(self._shadows))
        if self._showing is not None:
            self._publish(self._showing.catch_up(self._shadows, self._models))
        if self._switchboard.knows(ModuleName.RULES):
            self._unplaced.append((ModuleName.RULES, WatchAgain()))
        self._place_all()

    def take(self, letter: Any) -> None:
        """``letter`` and those behind it, in one round. What could not be placed before goes first."""
        while not self._place_all() and self._mailbox is not None and not self._mailbox.closed:
            time.sleep(RETRY_PLACING)
        letters = [letter]
        if self._mailbox is not None:
            letters += self._mailbox.take_ready(BATCH - 1)
        self._round(letters)

    def next_tick(self) -> float | None:
        times = [self._place_again_at]
        if self._recorder is not None:
            times += [self._sampling.next_time(), self._recorder.next_time()]
        return min((when for when in times if when is not None), default=None)

    def tick(self) -> None:
        self._place_all()
        if self._recorder is not None:
            now = time.monotonic()
            self._recorder.add(self._sampling.due(now, self._now_ms(), self._shadows, self._models), now)
            self._recorder.work(now)

    def closed(self) -> None:
        if self._recorder is not None:
            self._recorder.flush(time.monotonic())

    def _round(self, letters: list[Any]) -> None:
        if any(isinstance(letter, ConfigChanged) for letter in letters):
            self._read_models()
            self._watching.say_all()
        turn = Turn(self._shadows, self._node, self._now_ms(), self._forms, self._models, self._profiles)
        for letter in letters:
            self._gather(letter, turn)
        if turn.writes:
            error = self._commit(turn)
            if error is not None:
                logger.error("device twins could not be saved: %s", error)
                turn = self._undo(turn, letters)
        self._send(turn)

    def _gather(self, letter: Any, turn: Turn) -> None:
        if isinstance(letter, Arrived):
            self._ask(letter, turn, requests.handle, people.handle)
        elif isinstance(letter, Message):
            orders.handle(letter, turn, ledger=self._ledger)
        elif isinstance(letter, BusRestored):
            for shadow in self._shadows.values():
                requests.say_delta(shadow, turn)
            turn.restored.update(letter.retained)
            turn.is_restored = True
            self._tell_profiles(turn, again=True)
        elif isinstance(letter, Desire):
            people.desire(letter, turn)
        elif isinstance(letter, Watch):
            self._watching.begin(letter.places)
        elif isinstance(letter, ConfigChanged):
            self._tell_profiles(turn)
        elif isinstance(letter, LinkChanged):
            self._ledger = letter.connected and letter.ledger
            if letter.connected and not letter.ledger:
                turn.to_cloud.append(self._ask_for_members(turn.now_ms))

    def _ask(self, letter: Arrived, turn: Turn, of_programs: _Handle, of_people: _Wish) -> None:
        matched = topics.match(letter.topic)
        said = len(turn.publishes)
        if matched is not None and matched.request is Request.DATA_UPDATE:
            self._take_readings(matched.subject, letter, turn)
        elif matched is not None:
            of_programs(matched, letter, turn)
        elif self._showing is not None:
            addressed = self._showing.tree.addressed(letter.topic)
            if addressed is not None:
                of_people(*addressed, letter, turn)
            elif letter.payload == b"online":
                turn.publishes += self._showing.announce()
        if letter.answer is not None:
            turn.answers.append((letter.answer, [publish.payload for publish in turn.publishes[said:]]))

    def _take_readings(self, device: str, letter: Arrived, turn: Turn) -> None:
        if self._recorder is None or letter.retained:
            return
        try:
            readings, refused = parse_data_update(letter.payload)
        except MalformedPayload as exc:
            turn.warnings.append(f"{letter.topic}: {exc}")
            return
        turn.warnings += [f"{letter.topic}: {text}" for text in refused]
        now = time.monotonic()
        heard = self._sampling.hear(device, readings, now, turn.now_ms, self._shadows.get(device), turn.model(device))
        self._recorder.add(heard, now)

    def _commit(self, turn: Turn) -> StoreError | None:
        """Wait for the disk, the one thing a loop waits for, as long as it takes: an unknown outcome would leave memory and store apart."""
        outcome: list[StoreError | None] = []
        finished = threading.Event()

        def done(error: StoreError | None) -> None:
            outcome.append(error)
            finished.set()

        try:
            self._database.write(turn.save, done)
        except StoreError as exc:
            return exc
        finished.wait()
        return outcome[0]

    def _undo(self, failed: Turn, letters: list[Any]) -> Turn:
        """Memory as the store has it, and a turn that answers 500. Messages of the cloud get no answer: it says them again."""
        for device in failed.touched:
            found, attributes, held = self._database.read(partial(twins.load_device, device=device))
            self._shadows.pop(device, None)
            if found is not None:
                self._shadows.update(rows.shadows([found], attributes, held))
        turn = Turn(self._shadows, self._node, failed.now_ms, self._forms, self._models, self._profiles)
        for letter in letters:
            if isinstance(letter, Arrived):
                self._ask(letter, turn, requests.refuse_unsaved, people.refuse_unsaved)
            elif isinstance(letter, Desire):
                turn.answers.append((letter.answer, [documents.WRITE_FAILED]))
            elif not isinstance(letter, Message):
                self._gather(letter, turn)
        return turn

    def _send(self, turn: Turn) -> None:
        for warning in turn.warnings:
            logger.warning("%s", warning)
        for answer, payloads in turn.answers:
            answer(payloads)
        self._watching.follow(turn)
        self._publish(turn.publishes + self._shown(turn))
        for message in turn.to_cloud:
            self._unplaced.append((ModuleName.EDGEHUB, message))
        if turn.owes:
            self._unplaced.append((ModuleName.EDGEHUB, OutboxChanged()))
        self._place_all()

    def _shown(self, turn: Turn) -> list[Publish]:
        if self._showing is None:
            return []
        said = self._showing.follow(turn)
        if turn.is_restored:
            said += self._showing.restored(turn.restored, self._shadows, self._models)
        return said

    def _publish(self, publishes: list[Publish]) -> None:
        if publishes:
            self._unplaced.append((ModuleName.EVENTBUS, PublishAll(tuple(publishes))))

    def _read_models(self) -> None:
        profiles = list(self._profiles().values())
        self._models = models_of(profiles)
        self._sampling.follow(collected_in(profiles), time.monotonic())

    def _profiles(self) -> dict[str, str]:
        """By namespace, what MetaManager keeps for mappers. Read each time: it may be large, and is asked for seldom."""
        name = profile.configmap_of(self._node)
        kept = self._database.read(lambda tx: metadata.load_named(tx, ResourceType.CONFIGMAP, name))
        found = {row.key.partition("/")[0]: profile_in(row.value, profile.FILE) for row in kept}
        return {namespace: text for namespace, text in found.items() if text}

    def _tell_profiles(self, turn: Turn, *, again: bool = False) -> None:
        """To mappers that have their devices from us (P6.16): when they change, and when a broker may have lost what was said."""
        found = self._profiles()
        digest = profile.digest_of(found)
        if again or digest != self._told_profiles:
            self._told_profiles = digest
            turn.say(topics.profile_updated(self._node), documents.profiles("", found, turn.now_ms))

    def _place_all(self) -> bool:
        """Hand over what is owed to other modules, in order. False: one of them has no room now."""
        is_told = self._watching.place(self._switchboard, self._shadows, self._models)
        while self._unplaced:
            name, letter = self._unplaced[0]
            if not self._switchboard.send(name, letter) and name in self._switchboard.lengths():
                self._place_again_at = time.monotonic() + RETRY_PLACING
                return False
            self._unplaced.popleft()
        self._place_again_at = None if is_told else time.monotonic() + RETRY_PLACING
        return True

    def _ask_for_members(self, now_ms: int) -> Message:
        """KubeEdge's question on connect (contract 6.6); in ledger mode the inventory takes its place."""
        content = {
            "event_type": "group_membership_event",
            "event_id": "123",
            "group_id": self._node,
            "operation": "detail",
            "timestamp": now_ms,
        }
        return new_message(
            source=Source.TWIN,
            group=Group.RESOURCE,
            operation=Operation.GET,
            resource=MEMBERSHIP_DETAIL,
            now_ms=now_ms,
            content=to_text(content),
        )
