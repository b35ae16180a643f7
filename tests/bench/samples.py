"""What a day of samples costs the flash (S2): the real store and ring, a clock that is turned on by hand, 10 devices at 1 Hz with values
that wander; each batch is sent and acknowledged. Beside it the naive way, each sample a row and a commit of its own, for a minute."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecore.store import history, outbox
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from edgecore.store.recorder import Recorder, Sample
from tests.bench.figure import Figure, Group, written_mb

_DAY = 86_400
_DEVICES = 10
_T0 = 1_700_000_000_000


def _day(stand: object) -> Iterator[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="bramble-bench-", dir=os.environ.get("BENCH_DIR", "/var/tmp")))
    database = Database(folder / "edgecore.db")
    recorder = Recorder(database)
    wander = [20.0 + device for device in range(_DEVICES)]
    chance = random.Random(1)
    before = written_mb(os.getpid())
    for second in range(_DAY):
        wander = [value + chance.choice((-0.1, 0.0, 0.0, 0.1)) for value in wander]
        recorder.add(
            [Sample(f"d{n}", "value", "float", _T0 + second * 1000 + n, f"{value:.1f}") for n, value in enumerate(wander)], float(second)
        )
        if second >= (recorder.next_time() or _DAY):
            recorder.work(float(second))
            _acknowledge(database)
    yield Figure("samples.disk.day", written_mb(os.getpid()) - before, "MB")
    held = database.read(history.held)
    yield Figure("samples.disk.kept", held.bytes / held.samples, "bytes a sample")
    yield Figure("samples.segments", float(held.segments), "a day")
    before = written_mb(os.getpid())
    for second in range(60):
        for device in range(_DEVICES):
            database.write_and_wait(lambda tx, d=device, s=second: outbox.owe_text(tx, f"{d}-{s}", "x" * 200, s, key=None, lane="upload/x"))  # type: ignore[misc]
    yield Figure("samples.disk.naive", (written_mb(os.getpid()) - before) * _DAY / 60, "MB a day")
    database.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _acknowledge(database: Database) -> None:
    """As EdgeHub does, a commit later."""
    database.write_and_wait(lambda tx: None)
    ids = [row.id for row in database.hand_out(Rank.SAMPLES, 0, 10)]
    database.write_and_wait(lambda tx: outbox.settled(tx, ids))


GROUP = Group(("samples.disk.day", "samples.disk.kept", "samples.segments", "samples.disk.naive"), _day)
