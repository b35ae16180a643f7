"""Where the faults happen: a site of two processes, a board behind proxy and tap, a broker that outlives the board, and the accounts."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from demo.parts import DEVICES, Board, SplitSite, quietly, unmount_below
from demo.stage import Failed, Stage, answers, free_port, run, wait_for
from edgecore.eventbus.mosquitto import find_program
from tests.faults.background import Background
from tests.faults.eyes import BoardEyes, CloudEyes, Promises, Records, dropped, held, not_saved, owed_events, reported
from tests.faults.proxy import Proxy
from tests.faults.tally import Count, Events, States, explained, unsaved
from tests.faults.tap import DOWN, UP, Frame, Tap
from tests.faults.traffic import Cast, Mapper, Writers
from viaduct import topics

SMALL_DISK_MB = 24
IMAGE = "localhost/bramble-faults:1"
_BROKER = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nmax_inflight_messages 0\n"


class Kind(StrEnum):
    """What a board is like. ``PODS``: it runs pods. ``SMALL_DISK``: its files lie on a file system of their own that is soon full."""

    PLAIN = "plain"
    PODS = "pods"
    SMALL_DISK = "small-disk"


class Ground:
    """Started on entry, gone on exit. One board's life through many profiles: numbers go on from one to the next."""

    def __init__(self, kind: Kind = Kind.PLAIN) -> None:
        self.kind = kind
        self.node = node = f"{kind}-board"
        self.cast = Cast(
            node,
            tuple(f"{node}-config-{n}" for n in range(6)),
            tuple(f"{node}-guest-{n}" for n in range(2)),
            tuple(f"{node}-wish-{n}" for n in range(4)),
            tuple(f"{node}-report-{n}" for n in range(10)),
            tuple(f"{node}-upload-{n}" for n in range(2)),
            f"{node}-probe",
        )
        self.numbers: dict[str, int] = {}
        self.promises = Promises()
        self._entered = contextlib.ExitStack()

    def __enter__(self) -> Ground:
        try:
            self._enter()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def _enter(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bramble-faults-"))
        self._entered.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._entered.callback(unmount_below, self.folder)
        self.background = Background()
        self._entered.callback(self.background.stop)
        self.stage = Stage(self.folder)
        self._entered.callback(self.stage.stop)
        self.site = SplitSite(self.stage, api=free_port(), hub=free_port(), https=free_port())
        self.site.start()
        self.broker = start_broker(self.stage)
        proxied = free_port()
        self.board = Board(self.site, self.node, mqtt=self.broker, hub=proxied)
        if self.kind is Kind.SMALL_DISK:
            self.board.folder.mkdir()
            run("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "faults", self.board.folder)
        self.board.join()
        write_config(self.board, pods=self.kind is Kind.PODS)
        self.tap = Tap(self.background, self.board, free_port(), self.folder)
        self._entered.callback(self.tap.close)
        self.tap.watchers.append(self.promises)
        self.proxy = Proxy(self.background, self.tap.port, proxied)
        self._entered.callback(self.proxy.close)
        self.site.kubectl("apply", "-f", "-", stdin=self.cast.manifests())
        if self.kind is Kind.PODS:
            self._entered.callback(self._remove_containers)
        self.start_board()
        self.site.wait("the link", lambda: self.board.links() > 0)
        self.site.wait("everything at the board", self._holds_all)

    def guests(self) -> dict[str, str]:
        """Name to uid of those ConfigMaps that come and go and are there now."""
        found = json.loads(self.site.kubectl("get", "configmaps", "-o", "json"))["items"]
        return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found if each["metadata"]["name"] in self.cast.guests}

    def _remove_containers(self) -> None:
        self.board.kill()
        self.board.remove_containers()
        quietly(lambda: self.board.podman("rmi", "-f", IMAGE))
        self.board.end_leftovers()

    @property
    def database(self) -> Path:
        return self.board.folder / "edgecore.db"

    @property
    def records(self) -> Path:
        """CloudCore's file of what boards uploaded."""
        return self.folder / "cloudcore" / "records.db"

    def start_board(self, env: dict[str, str] | None = None) -> None:
        self.board.start(env)

    def log(self) -> str:
        return (self.folder / f"{self.node}.log").read_text("utf-8", "replace")

    def reported(self) -> dict[str, int]:
        """What the API says that each device reports."""
        found = json.loads(self.site.kubectl("get", DEVICES, "-o", "json"))["items"]
        return {device["metadata"]["name"]: reported(device) for device in found}

    def _holds_all(self) -> bool:
        found = held(self.database)
        devices = {f"device/{name}" for name in (*self.cast.wishes, *self.cast.reports, self.cast.probe)}
        return devices | {f"default/configmap/{name}" for name in self.cast.configs} <= found.keys()


class Account:
    """One profile's counting, from entry to ``settle``. The faults happen in between."""

    def __init__(self, ground: Ground, *, every: float = 0.5, uploads_every: float = 0.5) -> None:
        self.ground = ground
        self._lock = threading.Lock()
        numbers, cast = ground.numbers, ground.cast
        down = [*(f"default/configmap/{name}" for name in cast.configs), *(f"wish/{name}" for name in cast.wishes)]
        self._states = {name: States(name, numbers.get(name, 0)) for name in (*down, *cast.reports)}
        self._events = {f"upload/{topics.UPLOAD_PREFIX}{name}": Events(name) for name in cast.uploads}
        self._sources: dict[str, tuple[Events, int]] = {}
        self._acknowledged: set[str] = set()
        self._told_events: set[str] = set()
        self._refused_events: set[str] = set()
        self._records = Records(ground.records, ground.node)
        self._dropped_before = dropped(ground.database)
        self._not_saved_before = not_saved(ground.database)
        self._published_before = {name: numbers.get(name, 0) for name in cast.uploads}
        self._killed = False
        self._broken: list[str] = []
        self.notes: list[str] = []
        self._every = every
        self._uploads_every = uploads_every

    def __enter__(self) -> Account:
        ground = self.ground
        self.eyes = BoardEyes(ground.database, self._saw_on_board)
        self.eyes.open()
        self.eyes.look()
        ground.tap.watchers.append(self._saw_on_the_way)
        self._cloud = CloudEyes(ground.background, ground.site, self._saw_in_cloud)
        self._mapper = Mapper(
            ground.broker, ground.cast, self._accepted, self._saw, ground.numbers, every=self._every, uploads_every=self._uploads_every
        )
        self._writers = Writers(ground.background, ground.site, ground.cast, self._accepted, ground.numbers, every=self._every)
        return self

    def __exit__(self, *_: object) -> None:
        self._cloud.stop()
        self._mapper.close()
        self.eyes.stop()
        self.ground.tap.watchers.remove(self._saw_on_the_way)

    def settle(self, within: float) -> tuple[Count, float]:
        """The last fault is over: no further traffic, then wait until all has arrived. The count, and the seconds it took."""
        healed = time.monotonic()
        self._writers.stop(within)
        self._mapper.stop(within)
        self.eyes.look()
        converged = True
        try:
            self.ground.site.wait("everything where it belongs", self._converged, within=within)
        except Failed:
            converged = False
        took = time.monotonic() - healed
        time.sleep(1.0)  # whatever might still come back to an older state shows it now
        self.eyes.look()
        self._broken += self._wrong_guests()
        self._look_at_records()
        missing = self._acknowledged - self._records.ids()
        self._broken += [f"upload {msg_id}: acknowledged and not in the file of records" for msg_id in missing]
        return self._count(), took if converged else float("inf")

    # What the profiles do to processes

    def kill_board(self) -> None:
        self._killed = True
        self.eyes.close()
        self.ground.board.kill()
        self._broken += [
            f"{key}: acknowledged and not in the database" for key in self.ground.promises.broken_by_board(self.ground.database)
        ]

    def revive_board(self, env: dict[str, str] | None = None) -> None:
        self.ground.start_board(env)
        self.eyes.open()

    def kill_cloud(self) -> None:
        self.ground.site.kill_cloud()

    def revive_cloud(self) -> None:
        self.ground.site.launch_cloud()

    def kill_api(self) -> None:
        self.ground.site.kill_api()

    def revive_api(self) -> None:
        promised = dict(self.ground.promises.cloud)
        self.ground.site.launch_api()
        found = wait_for("the API", self.ground.reported, within=30)
        self._broken += [f"{name}: acknowledged and not in the API" for name, number in promised.items() if number > found.get(name, 0)]

    def swap_card(self, other: Path | None) -> None:
        """Of a board that was killed: put the database ``other`` in place of its own, or none. What only the old one knew is gone, and what
        the other shows may be old until the cloud has looked."""
        database = self.ground.database
        owed = set(owed_events(database))
        counted = dropped(database) - self._dropped_before
        for side in ("", "-wal", "-shm"):
            Path(f"{database}{side}").unlink(missing_ok=True)
        if other is not None:
            shutil.copy(other, database)
        owed_again = set(owed_events(database)) if other is not None else set()
        self.eyes.start_over()
        self.ground.promises.forget_board()
        with self._lock:
            for stream, number in owed - owed_again:
                self._events[stream].withdraw(number)
            said_before = sum(number in self._events[stream].refused for stream, number in owed_again - owed)
            self._not_saved_before = 0 if other is None else not_saved(database)
            self._dropped_before = (dropped(database) if other is not None else 0) - counted + said_before
            for state in self._states.values():
                state.forgive()

    def copy_card(self, to: Path) -> None:
        """A backup of the board's database as it is now, made while EdgeCore runs."""
        with contextlib.closing(sqlite3.connect(self.ground.database)) as source, contextlib.closing(sqlite3.connect(to)) as copy:
            source.backup(copy)

    def hurry(self, reports: int, uploads: int) -> None:
        self._mapper.hurry(reports, uploads)

    def note(self, text: str) -> None:
        """Something measured, for the reader."""
        self.notes.append(text)

    def complain(self, text: str) -> None:
        """Something that must not be: it counts as unexplained."""
        self._broken.append(text)

    @property
    def broken(self) -> list[str]:
        return self._broken

    def unsettled(self) -> list[str]:
        with self._lock:
            states = [f"{s.name}: sent {s.newest}, there {s.last}" for s in self._states.values() if not s.converged]
            return states + [f"{e.name}: {e.missing} missing" for e in self._events.values() if e.missing]

    # What was sent and seen

    def _accepted(self, stream: str, number: int) -> None:
        with self._lock:
            self._states[stream].accept(number)

    def _saw(self, stream: str, number: int) -> None:
        with self._lock:
            self._states[stream].see(number)

    def _saw_on_board(self, stream: str, number: int) -> None:
        with self._lock:
            if stream in self._events:
                self._events[stream].accept(number)
            elif stream in self._states:
                self._states[stream].see(number)

    def _saw_in_cloud(self, device: str, number: int, repeated: bool) -> None:
        with self._lock:
            state = self._states.get(device)
            if state is not None and number >= 0:
                state.repeated += repeated
                state.see(number)

    def _saw_on_the_way(self, frame: Frame) -> None:
        with self._lock:
            if frame.way == UP and f"upload/{frame.resource}" in self._events:
                self._sources[frame.envelope["header"]["msg_id"]] = (
                    self._events[f"upload/{frame.resource}"],
                    int(frame.envelope["content"]),
                )
            elif frame.way == UP and frame.resource.split("/")[1:2] == ["event"]:
                self._told_events.add(frame.envelope["header"]["msg_id"])
            elif frame.way == DOWN and (frame.is_acknowledgement or frame.refuses_for_good):
                for msg_id in frame.answers():
                    if msg_id in self._told_events and frame.refuses_for_good:
                        self._refused_events.add(msg_id)
                    elif msg_id in self._sources:
                        events, number = self._sources[msg_id]
                        if frame.refuses_for_good:
                            events.refuse(number)
                        else:
                            self._acknowledged.add(msg_id)

    def _look_at_records(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):
            for topic, number in self._records.fresh():
                if f"upload/{topic}" in self._events:
                    self._events[f"upload/{topic}"].see(number)

    def _converged(self) -> bool:
        self._look_at_records()
        with self._lock:
            events = sum((each.count() for each in self._events.values()), Count())
            settled = all(state.converged for state in self._states.values())
            settled = settled and not explained(events, self._dropped() - len(self._refused_events)).lost and not self._unsaved().lost
        return settled and not self._wrong_guests()

    def _wrong_guests(self) -> list[str]:
        """ConfigMaps that are here and gone there, or the other way round, or another object there (D6)."""
        wanted, found = self.ground.guests(), held(self.ground.database)
        there = {name: found.get(f"default/configmap/{name}", ("", 0))[0] for name in self.ground.cast.guests}
        return [
            f"{name}: {wanted.get(name) or 'gone'} in the API, {uid or 'gone'} on the board"
            for name, uid in there.items()
            if uid != wanted.get(name, "")
        ]

    def _dropped(self) -> int:
        try:
            return dropped(self.ground.database) - self._dropped_before
        except sqlite3.Error:
            return 0

    def _count(self) -> Count:
        with self._lock:
            states = sum((state.count() for state in self._states.values()), Count())
            events = sum((each.count() for each in self._events.values()), Count())
            # An event of a pod that is gone by then is refused, and counted by the board like an upload.
            others = len(self._refused_events)
            told = replace(explained(events, self._dropped() - others), counter=self._dropped())
            return states + told + Count(sent=others, dropped=others) + self._unsaved() + Count(unexplained=len(self._broken))

    def _unsaved(self) -> Count:
        """Uploads that were published and never came into the outbox."""
        number = 0
        for events in self._events.values():
            published = range(self._published_before[events.name] + 1, self.ground.numbers.get(events.name, 0) + 1)
            number += len(set(published) - events.sent - events.withdrawn)
        try:
            counter = not_saved(self.ground.database) - self._not_saved_before
        except sqlite3.Error:
            counter = 0
        return unsaved(number, counter, killed=self._killed)


def start_broker(stage: Stage, name: str = "broker") -> int:
    """A Mosquitto of the harness: it lives on when EdgeCore is killed, as a system's broker does. Its port."""
    port = free_port()
    config = stage.folder / f"{name}.conf"
    config.write_text(_BROKER.format(port=port))
    program = find_program()
    if program is None:
        raise Failed("mosquitto is not installed")
    stage.start(name, program, "-c", config)
    wait_for("the broker", lambda: answers(port), within=10)
    return port


def write_config(board: Board, *, pods: bool) -> None:
    """The board's config with the broker outside, and without pods where they do not matter: EdgeCore starts faster."""
    text = board.config.read_text()
    own, outside = (
        f"mqttMode: 0\n    mqttServerInternal: tcp://127.0.0.1:{board.mqtt}",
        f"mqttMode: 2\n    mqttServerExternal: tcp://127.0.0.1:{board.mqtt}",
    )
    if own not in text:
        raise Failed("the board's config has changed its form")
    text = text.replace(own, outside)
    board.config.write_text(text if pods else text.replace("  edged:\n", "  edged:\n    enable: false\n"))


def sometime(low: float, high: float) -> None:
    """Let a random time pass."""
    time.sleep(random.uniform(low, high))
