"""Identity on the way to the cloud: fetched once with the token, renewed in time, never in the way of the link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecore.certs.clock import SignedClock
from edgecore.certs.files import IdentityFiles, digest_of, stored_identity
from edgecore.certs.identity import NodeIdentity, to_json
from edgecore.cloudlink import Timeouts
from edgecore.edgehub.dialing import Address, Dialing, Renewal
from edgecore.errors import IdentityError, LinkError
from tests.fakes.fakehub import wait_until
from viaduct.handshake import Mode, choose_mode

ADDRESS = Address("127.0.0.1:1", "project", "edge1")


def _files(folder: Path) -> IdentityFiles:
    return IdentityFiles(folder / "ca.crt", folder / "edge.crt", folder / "edge.key")


def _clock(folder: Path, wall: Callable[[], float] = time.time) -> SignedClock:
    return SignedClock(folder / "edge.time", wall=wall)


def _identity(files: IdentityFiles, *, days_left: float) -> NodeIdentity:
    files.certificate.write_bytes(b"certificate")
    now = int(time.time())
    identity = NodeIdentity("edge1", now - 300 * 86400, now + int(days_left * 86400), "1", digest_of(b"certificate"), "a")
    files.facts.write_bytes(to_json(identity))
    return identity


def test_the_address_is_kubeedges_and_offers_the_ledger_first() -> None:
    assert ADDRESS.url == "wss://127.0.0.1:1/project/edge1/events"
    assert ADDRESS.headers["ConnectionUse"] == "msg"
    assert ADDRESS.headers["node_id"] == "edge1"
    assert choose_mode(ADDRESS.headers) is Mode.LEDGER


def test_without_a_certificate_it_is_asked_for_and_a_refusal_is_said(tmp_path: Path) -> None:
    asked: list[int] = []

    def enrol() -> NodeIdentity:
        asked.append(1)
        raise IdentityError("the token has expired")

    with pytest.raises(LinkError, match="the token has expired"):
        Dialing(ADDRESS, _files(tmp_path), Timeouts(), clock=_clock(tmp_path), enrol=enrol)()
    assert asked == [1]


def test_with_a_certificate_nothing_is_asked(tmp_path: Path) -> None:
    files = _files(tmp_path)
    _identity(files, days_left=65)

    def enrol() -> NodeIdentity:
        raise AssertionError("asked")

    with pytest.raises(LinkError, match="edgecore join"):
        Dialing(ADDRESS, files, Timeouts(), clock=_clock(tmp_path), enrol=enrol)()


def test_a_due_certificate_is_renewed_and_a_failure_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecore.certs.rotation.retry_s", lambda failures, chance: 0.01)
    files = _files(tmp_path)
    identity = _identity(files, days_left=10)
    attempts: list[int] = []
    renewed = threading.Event()

    def renew() -> NodeIdentity:
        attempts.append(1)
        if len(attempts) == 1:
            raise IdentityError("the cloud is away")
        renewed.set()
        return identity

    renewal = Renewal(files, renew, clock=_clock(tmp_path), look_every=0.01)
    renewal.start()
    assert renewed.wait(5)
    renewal.stop()


def test_a_young_certificate_is_left_alone(tmp_path: Path) -> None:
    files = _files(tmp_path)
    _identity(files, days_left=3000)
    looks = threading.Event()

    def renew() -> NodeIdentity:
        looks.set()
        raise IdentityError("asked")

    renewal = Renewal(files, renew, clock=_clock(tmp_path), look_every=0.005)
    renewal.start()
    assert not looks.wait(0.1)
    renewal.stop()


def test_a_clock_that_runs_ahead_renews_nothing_once_the_time_is_signed(tmp_path: Path) -> None:
    files = _files(tmp_path)
    _identity(files, days_left=3000)
    asked = threading.Event()

    def ask_time() -> int:
        asked.set()
        return int(time.time())

    def renew() -> NodeIdentity:
        raise AssertionError("renewed")

    clock = _clock(tmp_path, wall=lambda: 4_000_000_000.0)
    renewal = Renewal(files, renew, clock=clock, ask_time=ask_time, look_every=0.005)
    renewal.start()
    assert asked.wait(5)
    renewal.stop()
    assert abs(clock.now() - time.time()) < 60


def test_of_two_that_would_renew_at_once_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _files(tmp_path)
    _identity(files, days_left=1)
    begun, go_on = threading.Event(), threading.Event()
    renewals: list[int] = []
    looks: list[int] = []

    def look(at: IdentityFiles) -> NodeIdentity | None:
        found = stored_identity(at)
        looks.append(1)
        return found

    def renew() -> NodeIdentity:
        renewals.append(1)
        begun.set()
        assert go_on.wait(5)
        return _identity(files, days_left=300)

    monkeypatch.setattr("edgecore.edgehub.dialing.stored_identity", look)
    renewal = Renewal(files, renew, clock=_clock(tmp_path))
    both = [threading.Thread(target=renewal.renew) for _ in range(2)]
    both[0].start()
    assert begun.wait(5)
    both[1].start()
    wait_until(lambda: len(looks) == 3)
    go_on.set()
    for one in both:
        one.join(5)
    assert len(renewals) == 1
