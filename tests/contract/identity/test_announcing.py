"""A site that announces itself and a board that looks, by real mDNS on the loopback interface (P2.13)."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from cloudcore import announcement
from cloudcore.announcement import announce, announced_addresses, service_name
from edgecore.certs.jointoken import Endpoint
from edgecore.pairing.site import Site
from edgecore.pairing.sites import find_sites

LOOPBACK = "127.0.0.1"


def multicast_works() -> bool:
    """Whether a packet to a group comes back on the loopback interface."""
    group = struct.pack("4s4s", socket.inet_aton("224.0.0.251"), socket.inet_aton(LOOPBACK))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as saying:
        try:
            listening.bind(("", 0))
            listening.settimeout(2)
            listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            saying.sendto(b"x", ("224.0.0.251", listening.getsockname()[1]))
            return listening.recv(1) == b"x"
        except OSError:
            return False


on_a_network = pytest.mark.skipif(not multicast_works(), reason="this machine's loopback interface carries no multicast")


@contextmanager
def announced(port: int, pin: str, addresses: Callable[[], Sequence[str]] = lambda: [LOOPBACK]) -> Iterator[None]:
    """Until the end of the block, from a loop in a thread of its own as the board's side blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    saying = asyncio.run_coroutine_threadsafe(announce(port, pin, addresses), loop)
    try:
        yield
    finally:
        task_ended = asyncio.run_coroutine_threadsafe(_ended(loop), loop)
        saying.cancel()
        task_ended.result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    while tasks := [task for task in asyncio.all_tasks(loop) if task.get_coro().__name__ == "announce"]:  # type: ignore[union-attr]
        await asyncio.wait(tasks)


def found(ports: set[int]) -> list[Site]:
    """Others on this machine may announce sites of their own."""
    return [site for site in find_sites([LOOPBACK], look_s=1.0) if site.endpoints[0].port in ports]


def look_until(ports: set[int], count: int) -> list[Site]:
    for _ in range(15):
        if len(sites := found(ports)) == count:
            return sites
    return sites


@on_a_network
def test_sites_are_found_while_they_are_there_and_not_afterwards() -> None:
    first, second = "1" * 64, "2" * 64
    with announced(40001, first):
        with announced(40002, second):
            sites = look_until({40001, 40002}, 2)
            assert {site.endpoints for site in sites} == {(Endpoint(LOOPBACK, 40001),), (Endpoint(LOOPBACK, 40002),)}
            assert len({site.name for site in sites}) == 2
        assert [site.endpoints for site in look_until({40001, 40002}, 1)] == [(Endpoint(LOOPBACK, 40001),)]
    assert look_until({40001, 40002}, 0) == []


@on_a_network
def test_an_announcement_follows_the_addresses_of_the_machine(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(announcement, "LOOK_AGAIN_S", 0.1)
    here: list[str] = []
    with announced(40003, "3" * 64, lambda: here):
        assert found({40003}) == []
        here.append(LOOPBACK)
        assert len(look_until({40003}, 1)) == 1
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_without_a_network_there_is_one_warning_and_nothing_else(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(announcement, "LOOK_AGAIN_S", 0.01)
    looks: list[int] = []

    def addresses() -> list[str]:
        looks.append(1)
        return ["192.0.2.1"] if len(looks) % 2 else []  # an address that has gone again by the time it is used

    caplog.set_level(logging.INFO)
    with announced(40004, "4" * 64, addresses):
        while len(looks) < 20:
            time.sleep(0.01)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in warnings] == ["cloudcore.announcement"]
    assert warnings[0].message.startswith("modules.cloudhub.announce: boards do not find this site by mDNS now: ")


@pytest.mark.parametrize(
    ("listening", "announced_at"),
    [
        ("0.0.0.0", ["192.0.2.7", "10.0.0.1"]),
        ("::", ["192.0.2.7", "10.0.0.1"]),
        ("192.0.2.7", ["192.0.2.7"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", []),
    ],
)
def test_only_addresses_at_which_boards_reach_the_listener_are_announced(listening: str, announced_at: list[str]) -> None:
    assert announced_addresses(listening, ["127.0.0.1", "192.0.2.7", "10.0.0.1"]) == announced_at


def test_a_site_has_a_name_whatever_the_machine_is_called() -> None:
    assert service_name("my.laptop", "abcdef0123") == "mylaptop abcdef01._bramble._tcp.local."
    assert service_name("..", "abcdef0123") == "bramble abcdef01._bramble._tcp.local."
    assert len(service_name("x" * 500, "abcdef0123")) < 80
