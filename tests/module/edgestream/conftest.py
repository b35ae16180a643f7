"""EdgeStream alone: a cloud on real TLS, a pod that is none, and the mailbox in which EdgeHub would find what goes over the main link."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.certs.clock import SignedClock
from edgecore.certs.files import IdentityFiles
from edgecore.cloudlink import Timeouts
from edgecore.edgehub.dialing import Address, Dialing
from edgecore.edgestream.module import EdgeStream
from tests.fakes.fakehub import Papers, make_papers
from tests.fakes.streamhub import StreamHub
from tests.fakes.streams import FakeRunning, FakeStreams
from viaduct.message import Message, new_message
from viaduct.tunnel import Open, Ready


def connect_message() -> Message:
    return new_message(source="cloudstream", group="stream", operation="connect", resource="stream", now_ms=1, content={})


class Board:
    def __init__(self, papers: Papers, hub: StreamHub) -> None:
        self.hub = hub
        self.pods = FakeStreams()
        self.switchboard = Switchboard()
        self.main: Mailbox = self.switchboard.register("websocket", "hub")
        files = IdentityFiles(papers.ca, papers.node, papers.node_key)
        timeouts = Timeouts(reach=5.0, handshake=15.0, write=5.0)
        dialing = Dialing(Address(f"127.0.0.1:{hub.port}", "project", "edge1"), files, timeouts, clock=SignedClock(files.signed_time))
        self.module = EdgeStream(self.switchboard, dialing.streams, lambda: self.pods)  # type: ignore[arg-type,return-value]
        self.mailbox = self.switchboard.register(self.module.name, self.module.group)
        self._thread = threading.Thread(target=self.module.run, args=(self.mailbox,), daemon=True)
        self._thread.start()
        self._number = 0

    def connect(self) -> Message:
        """As CloudCore says it on the main link."""
        message = connect_message()
        assert self.switchboard.send_to_group("stream", message)
        return message

    def linked(self) -> None:
        before = self.hub.connections
        self.connect()
        self.hub.wait(lambda: self.hub.connections > before)

    def open(self, running: FakeRunning | None = None, **request: Any) -> int:
        """The number of a stream that has been opened."""
        self.pods.running += [running] if running is not None else []
        self._number += 1
        self.hub.tell(Open(self._number, {"namespace": "default", "pod": "web", **request}))
        return self._number

    def opened(self, running: FakeRunning, **request: Any) -> int:
        number = self.open(running, **request)
        self.hub.wait(lambda: self.hub.of(Ready, number))
        return number

    def stop(self) -> None:
        self.switchboard.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def hub(papers: Papers) -> Iterator[StreamHub]:
    made = StreamHub(papers)
    yield made
    made.close()


@pytest.fixture
def board(papers: Papers, hub: StreamHub, tmp_path: Path) -> Iterator[Board]:
    made = Board(papers, hub)
    yield made
    made.stop()
