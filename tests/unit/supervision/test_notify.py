"""What the service manager hears (sd_notify), over a real datagram socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.eventloop import signs_of_life
from supervision.notify import ServiceManager, service_manager, watchdog_limit


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5.0)
        yield listening


def address(listening: socket.socket) -> str:
    return str(listening.getsockname())


def waiting(listening: socket.socket) -> list[str]:
    listening.setblocking(False)
    lines = []
    while True:
        try:
            lines.append(listening.recv(4096).decode())
        except BlockingIOError:
            return lines


def test_ready_and_stopping_are_said_with_a_status_in_one_datagram(heard: socket.socket) -> None:
    manager = ServiceManager(address(heard))
    manager.ready("runs as node edge1")
    manager.stopping()
    assert waiting(heard) == ["READY=1\nSTATUS=runs as node edge1", "STOPPING=1\nSTATUS=stopping"]


def test_a_status_cannot_smuggle_in_a_line_of_its_own(heard: socket.socket) -> None:
    ServiceManager(address(heard)).status("name\nREADY=1")
    assert waiting(heard) == ["STATUS=name READY=1"]


def test_an_abstract_address_works_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")
        ServiceManager("@" + listening.getsockname()[1:].decode()).status("here")
        assert waiting(listening) == ["STATUS=here"]


def test_signs_of_life_are_sent_only_when_one_is_due(heard: socket.socket) -> None:
    now = 100.0
    manager = ServiceManager(address(heard), watchdog=40.0, clock=lambda: now)
    for now in (100.0, 101.0, 109.9, 110.0, 111.0):  # noqa: B007 (the clock reads it)
        manager.alive()
    assert waiting(heard) == ["WATCHDOG=1", "WATCHDOG=1"]


def test_without_a_watchdog_no_signs_of_life_are_sent(heard: socket.socket) -> None:
    ServiceManager(address(heard)).alive()
    assert waiting(heard) == []


def test_without_a_manager_everything_is_quiet() -> None:
    manager = service_manager({"WATCHDOG_USEC": "1000000"})
    manager.ready("x")
    manager.alive()
    assert manager.interval is None


def test_a_manager_that_does_not_listen_stops_nobody(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready("x")


def test_what_we_start_does_not_inherit_the_socket() -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "", "PATH": "/bin"}
    assert service_manager(environment).interval == 2.0
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("microseconds", "pid", "limit"),
    [("30000000", "7", 30.0), ("30000000", "", 30.0), ("30000000", "8", None), ("", "7", None), ("0", "", None), ("soon", "", None)],
)
def test_the_watchdog_looks_at_this_process_or_not(microseconds: str, pid: str, limit: float | None) -> None:
    assert watchdog_limit(microseconds, pid, 7) == limit


def test_an_event_loop_that_turns_says_so(heard: socket.socket) -> None:
    async def turn() -> None:
        async with signs_of_life(ServiceManager(address(heard), watchdog=0.04)):
            await asyncio.to_thread(lambda: [heard.recv(64) for _ in range(3)])

    asyncio.run(turn())
