"""A board without pods and devices: EdgeHub and MetaManager over a real database, and a hub to talk to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.certs.clock import SignedClock
from edgecore.certs.files import IdentityFiles
from edgecore.cloudlink import Timeouts
from edgecore.edgehub.counts import HubCounts
from edgecore.edgehub.dialing import Address, Dialing
from edgecore.edgehub.module import EdgeHub, HubSettings
from edgecore.metaclient import MetaClient
from edgecore.metamanager.module import MetaManager, MetaSettings
from edgecore.store.database import Database
from tests.fakes.fakehub import FakeHub, Papers, make_papers
from viaduct.delivery import Timing


class Board:
    """``edged`` is the mailbox of an Edged that nobody runs: what MetaManager forwards lies in it."""

    def __init__(
        self, directory: Path, papers: Papers, port: int, *, capacity: int = 4096, ping: int = 180, heartbeat: float = 15.0
    ) -> None:
        self.database = Database(directory / "edgecore.db")
        self.switchboard = Switchboard(capacity)
        self.client = MetaClient(self.switchboard)
        self.edged: Mailbox = self.switchboard.register("edged", "edged")
        files = IdentityFiles(papers.ca, papers.node, papers.node_key)
        dialing = Dialing(
            Address(f"127.0.0.1:{port}", "project", "edge1", ping), files, Timeouts(handshake=5.0), clock=SignedClock(files.signed_time)
        )
        settings = HubSettings(heartbeat=heartbeat, question_timeout=2.0, timing=Timing(first_retry=1.0))
        meta = MetaSettings(full_report=0.3, query_timeout=3.0)
        self.counts = HubCounts(time.monotonic())
        self.keeper = Keeper(self.switchboard, first_delay=0.05)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database, meta))
        self.keeper.keep("websocket", "hub", lambda: EdgeHub(self.switchboard, self.database, dialing, settings, self.counts))
        self.keeper.start()

    def stop(self) -> None:
        late = self.keeper.stop(10)
        self.database.close()
        assert late == []


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def hub(papers: Papers) -> Iterator[FakeHub]:
    hub = FakeHub(papers)
    yield hub
    hub.close()


@pytest.fixture
def board(tmp_path: Path, papers: Papers, hub: FakeHub) -> Iterator[Board]:
    board = Board(tmp_path, papers, hub.port)
    yield board
    board.stop()
