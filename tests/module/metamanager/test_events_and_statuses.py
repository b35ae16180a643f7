"""What Edged hands to MetaManager for the cloud, on a real database (P5.3, P5.7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.metaclient import MetaClient
from edgecore.metamanager.module import MetaManager
from edgecore.store import metadata, outbox
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.outbox import OwedRow, Rank
from tests.fakes.fakehub import wait_until


class Bench:
    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self._start()

    def restart(self) -> None:
        self.keeper.stop(10)
        self._start()

    def _start(self) -> None:
        self.switchboard = Switchboard()
        self.keeper = Keeper(self.switchboard)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database))
        self.keeper.start()
        self.client = MetaClient(self.switchboard)

    def owed(self) -> list[OwedRow]:
        return self.database.read(lambda tx: outbox.pending(tx, Rank.EVENT, 0, 100))

    def close(self) -> None:
        self.keeper.stop(10)
        self.database.close(5)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "edgecore.db")
    yield made
    made.close()


def test_events_are_owed_in_their_order_as_the_cheap_rows_that_they_are(bench: Bench) -> None:
    for count in (1, 2):
        bench.client.report_event("default", "web.1", {"reason": "BackOff", "count": count})
    wait_until(lambda: len(bench.owed()) == 2)
    messages = [json.loads(row.text) for row in bench.owed()]
    assert [m["content"]["count"] for m in messages] == [1, 2]
    assert {m["route"]["resource"] for m in messages} == {"default/event/web.1"}


def test_a_kubeedge_cloud_is_not_told_of_events(bench: Bench) -> None:
    bench.switchboard.send("metaManager", LinkChanged(connected=True, ledger=False))
    bench.client.report_event("default", "web.1", {"reason": "BackOff", "count": 1})
    bench.switchboard.send("metaManager", LinkChanged(connected=True, ledger=True))
    bench.client.report_event("default", "web.2", {"reason": "BackOff", "count": 1})
    wait_until(lambda: bench.owed())
    assert [row.lane for row in bench.owed()] == ["default/event/web.2"]


def test_the_statuses_that_were_reported_last_are_known_by_their_uid(bench: Bench) -> None:
    pod = {"metadata": {"namespace": "default", "name": "web", "uid": "u1"}}
    bench.database.write(lambda tx: metadata.save(tx, MetaRow("default/pod/web", "pod", json.dumps(pod), "u1")), lambda error: None)
    wait_until(lambda: bench.database.read(lambda tx: metadata.load(tx, "default/pod/web")) is not None)
    bench.restart()
    assert bench.client.pod_statuses() == {}
    bench.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
    bench.restart()
    assert bench.client.pod_statuses() == {"u1": {"phase": "Running"}}
