"""The matrix: what goes wrong, and for how long. A profile is a function of ground and account; ``Length`` makes it short or full."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from demo.stage import wait_for
from demo.steps import EXAMPLES
from tests.fakes.wallclock import WallClock
from tests.faults.flood import flooded_neighbour
from tests.faults.ground import IMAGE, Account, Ground, Kind, sometime
from tests.faults.tap import Frame
from tests.system.churn import Churn


@dataclass(frozen=True)
class Length:
    """``times``: rounds of the fault; none where the short form leaves the profile out. ``seconds``: how long each of its states lasts."""

    times: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Profile:
    """``within``: seconds that convergence may take after the last fault, far beyond what it should. ``lasting``: the fault goes on until
    all has arrived; only the traffic ends."""

    name: str
    run: Callable[[Ground, Account, Length], None]
    short: Length
    full: Length
    within: float = 60.0
    lasting: bool = False
    kind: Kind = Kind.PLAIN


def online(ground: Ground, account: Account, length: Length) -> None:
    time.sleep(length.seconds)


def off_and_on(on: float, off: float) -> Callable[[Ground, Account, Length], None]:
    """Every second outage is one of silence, where nobody is told; the others are of resets and refusals."""

    def course(ground: Ground, account: Account, length: Length) -> None:
        scale = length.seconds
        for turn in range(length.times):
            time.sleep(on * scale)
            begin, end = (ground.proxy.stall, ground.proxy.move) if turn % 2 else (ground.proxy.outage, ground.proxy.listen)
            begin()
            time.sleep(off * scale)
            end()

    return course


def slow_line(ground: Ground, account: Account, length: Length) -> None:
    ground.proxy.weather(round_trip=0.6, rate=256_000 / 8)
    time.sleep(length.seconds)


def answers_lost(ground: Ground, account: Account, length: Length) -> None:
    """Of answers in both directions every fifth is swallowed, of messages every tenth comes twice. Their order is that of TCP."""

    def verdict(frame: Frame) -> int:
        luck = random.random()
        if frame.is_answer:
            return 0 if luck < 0.2 else 1
        return 2 if luck < 0.1 else 1

    ground.tap.verdict = verdict
    time.sleep(length.seconds)


def resets(ground: Ground, account: Account, length: Length) -> None:
    """RST at any moment; now and then a half-close, a FIN, or an old connection that lingers while the newer one works."""
    ways = [ground.proxy.reset, ground.proxy.reset, ground.proxy.reset, ground.proxy.half_close, ground.proxy.hang_up]
    ways.append(lambda: ground.proxy.linger(random.uniform(1, 4)))
    for turn in range(length.times):
        sometime(1, 3)
        ways[turn % len(ways)]()


def cloudcore_killed(ground: Ground, account: Account, length: Length) -> None:
    for _ in range(length.times):
        sometime(1, 3)
        account.kill_cloud()
        sometime(0, 0.5)
        account.revive_cloud()


def edgecore_killed(ground: Ground, account: Account, length: Length) -> None:
    """At any moment of its life, the first half second included."""
    for _ in range(length.times):
        sometime(0.3, 2.5)
        account.kill_board()
        account.revive_board()


def both_killed(ground: Ground, account: Account, length: Length) -> None:
    for _ in range(length.times):
        sometime(0.5, 2)
        account.kill_board()
        sometime(0, 0.3)
        account.kill_cloud()
        first, second = random.sample([account.revive_board, account.revive_cloud], 2)
        first()
        sometime(0, 0.5)
        second()


def api_killed(ground: Ground, account: Account, length: Length) -> None:
    for _ in range(length.times):
        sometime(1, 3)
        account.kill_api()
        sometime(0, 0.5)
        account.revive_api()


def database_deleted(ground: Ground, account: Account, length: Length) -> None:
    for _ in range(length.times):
        time.sleep(length.seconds)
        account.kill_board()
        account.swap_card(None)
        account.revive_board()
    time.sleep(length.seconds)  # what the old card owed is gone; what the devices say next is not


def database_set_back(ground: Ground, account: Account, length: Length) -> None:
    backup = ground.folder / "backup.db"
    for _ in range(length.times):
        account.copy_card(backup)
        time.sleep(length.seconds)
        account.kill_board()
        account.swap_card(backup)
        account.revive_board()
    time.sleep(3)


def disk_full(ground: Ground, account: Account, length: Length) -> None:
    """Not a byte is left; then there is room again."""
    filler = ground.board.folder / "filler"
    for number in range(length.times):
        time.sleep(length.seconds)
        _fill(filler)
        # What the database's files have room for already is written all the same.
        wait_for("a write that fails", partial(_said, ground, "cannot be written", number), within=30)
        time.sleep(length.seconds)
        filler.unlink()
        wait_for("a write that succeeds again", partial(_said, ground, "can be written again", number), within=30)


def _said(ground: Ground, words: str, before: int) -> bool:
    return ground.log().count(words) > before


def _fill(file: Path) -> None:
    block = bytes(65536)
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            while filler.write(block):
                pass
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as filler:
        while True:
            filler.write(b"x")


def day_offline(ground: Ground, account: Account, length: Length) -> None:
    """``times`` reports of ten devices (one a second each makes 864,000 a day), and a tenth as many uploads. Time itself is not simulated:
    the board takes them as fast as it can, so its cap by age is not tried here. The uploads go up at the pace of P4.8, 100 a second."""
    ground.proxy.outage()
    account.hurry(length.times, length.times // 10)


def killed_with_pods(ground: Ground, account: Account, length: Length) -> None:
    """No container is restarted without cause, doubled or left over, and every status is right at the end (A2, A3)."""
    ground.board.build_image(EXAMPLES / "web", IMAGE)
    churn = Churn(ground.site, ground.board, IMAGE, random.Random())
    churn.begin()
    try:
        for _ in range(length.times):
            churn.stir()
            churn.wait_for_a_moment()
            account.kill_board()
            churn.look_for_twins()
            account.revive_board()
        for fault in churn.faults(within=180):
            account.complain(fault)
        account.note(f"{length.times} kills, {churn.made} pods came, {sum(churn.witness.starts().values())} containers were started")
    finally:
        churn.end()


def neighbour_flooded(ground: Ground, account: Account, length: Length) -> None:
    flooded_neighbour(ground, account, length.times)


def clock_wrong(ground: Ground, account: Account, length: Length) -> None:
    """EdgeCore boots in 1970; in 2035, and its clock is set right while it runs; then in time."""
    clock = WallClock(ground.folder / "clock")
    for instant in ("1970-01-01T00:01:00", "2035-06-01T12:00:00"):
        account.kill_board()
        links = ground.board.links()
        clock.show(instant)
        account.revive_board(clock.environment)
        wait_for(f"a board in {instant[:4]}", partial(_has_logged_on, ground, instant[:10]), within=30)
        time.sleep(length.seconds)
        account.note(f"booted in {instant[:4]}, the board {'was linked' if ground.board.links() > links else 'had no link'} to the cloud")
    clock.be_off_by(0)
    time.sleep(length.seconds)
    account.kill_board()
    account.revive_board()


def _has_logged_on(ground: Ground, day: str) -> bool:
    return f"\n{day}T" in ground.log()


PROFILES = (
    Profile("online", online, Length(1, 2), Length(1, 60)),
    Profile("off-5s-on-5s", off_and_on(5, 5), Length(2, 0.25), Length(20, 1)),
    Profile("off-30s-on-10s", off_and_on(10, 30), Length(1, 0.1), Length(6, 1), within=120),
    Profile("slow-line", slow_line, Length(1, 3), Length(1, 120), within=120, lasting=True),
    Profile("answers-lost", answers_lost, Length(1, 2), Length(1, 120), within=120, lasting=True),
    Profile("resets", resets, Length(3), Length(100)),
    Profile("cloudcore-killed", cloudcore_killed, Length(2), Length(50)),
    Profile("edgecore-killed", edgecore_killed, Length(2), Length(200)),
    Profile("both-killed", both_killed, Length(1), Length(50)),
    Profile("api-killed", api_killed, Length(1), Length(50)),
    Profile("database-deleted", database_deleted, Length(1, 2), Length(10, 5)),
    Profile("database-set-back", database_set_back, Length(1, 2), Length(1, 300)),
    Profile("a-day-offline", day_offline, Length(600), Length(864_000), within=3600),
    Profile("clock-wrong", clock_wrong, Length(1, 1), Length(1, 60)),
    Profile("neighbour-flooded", neighbour_flooded, Length(0), Length(10_000)),
    Profile("disk-full", disk_full, Length(1, 1), Length(10, 10), kind=Kind.SMALL_DISK),
    Profile("edgecore-killed-with-pods", killed_with_pods, Length(0), Length(200), within=180, kind=Kind.PODS),
)


def healed(ground: Ground) -> None:
    """No fault is left; every process runs."""
    ground.proxy.heal()
    ground.tap.heal()
    wait_for("every process alive", lambda: ground.stage.dead() is None, within=5)
