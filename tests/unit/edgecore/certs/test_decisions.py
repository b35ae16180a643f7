"""The decisions about a node's identity, without clock, disk or network."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edgecore.certs import rotation
from edgecore.certs.identity import NodeIdentity, from_json, to_json
from edgecore.certs.jointoken import Endpoint, parse_endpoint, parse_token
from edgecore.errors import IdentityError

IDENTITY = NodeIdentity("edge1", 1_000_000, 2_000_000, "77", "d" * 64, "a" * 64)


@pytest.mark.parametrize("node", [f"edge{number}" for number in range(50)])
def test_renewal_falls_between_70_and_90_percent_of_the_life(node: str) -> None:
    identity = replace(IDENTITY, node=node)
    assert 1_700_000 <= rotation.renew_at(identity) <= 1_900_000
    assert not rotation.is_due(identity, 1_699_999)
    assert rotation.is_due(identity, 1_900_001)
    assert rotation.is_due(identity, 3_000_000)


def test_nodes_that_joined_together_do_not_renew_together() -> None:
    moments = sorted(rotation.renew_at(replace(IDENTITY, node=f"edge{number}")) for number in range(100))
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) < 20_000


def test_a_clock_before_the_certificate_makes_nothing_due() -> None:
    assert not rotation.is_due(IDENTITY, 0)
    assert not rotation.is_valid(IDENTITY, 0)


@pytest.mark.parametrize(("now", "valid"), [(999_999, False), (1_000_000, True), (1_999_999, True), (2_000_000, False)])
def test_a_certificate_is_valid_within_its_dates(now: float, valid: bool) -> None:
    assert rotation.is_valid(IDENTITY, now) is valid


def test_attempts_become_rarer_up_to_an_hour() -> None:
    waits = [rotation.retry_s(failures, 0.5) for failures in range(1, 100)]
    assert waits[:3] == [30.0, 60.0, 120.0]
    assert waits == sorted(waits)
    assert waits[-1] == 3600.0
    assert rotation.retry_s(5, 0.0) < rotation.retry_s(5, 1.0)


def test_the_facts_read_back_as_written() -> None:
    assert from_json(to_json(IDENTITY)) == IDENTITY


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"null", b"\xff", to_json(replace(IDENTITY, not_after="x"))])  # type: ignore[arg-type]
def test_facts_that_are_damaged_are_no_facts(data: bytes) -> None:
    assert from_json(data) is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("cloud.example", "cloud.example", 10002),
        ("cloud.example:1", "cloud.example", 1),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("2001:db8::1", "2001:db8::1", 10002),
        ("[2001:db8::1]", "2001:db8::1", 10002),
        ("[2001:db8::1]:99", "2001:db8::1", 99),
    ],
)
def test_an_address_with_or_without_a_port_is_read(text: str, host: str, port: int) -> None:
    endpoint = parse_endpoint(text, 10002, "--cloud")
    assert endpoint == Endpoint(host, port)
    assert parse_endpoint(str(endpoint), 1, "--cloud") == endpoint


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":1", "a:b", "a:-1", "a:0", "a:65536", "a:999999", "a b", "https://a", "a/b", "[::1", "::1]:2", "a:1:2", "-a"]
)
def test_what_is_no_address_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(IdentityError, match=r"^--cloud: expected HOST or HOST:PORT, got "):
        parse_endpoint(text, 10002, "--cloud")


def test_a_token_is_read_with_blanks_around_it() -> None:
    token = parse_token("  " + "A" * 64 + ".b-_.c.d\n")
    assert (token.pin, token.bearer) == ("a" * 64, "b-_.c.d")
    assert "b-_.c.d" not in repr(token)


@pytest.mark.parametrize(
    "text", ["", "a.b.c.d", "a" * 64, "a" * 64 + ".b.c", "a" * 64 + ".b.c.d.e", "a" * 63 + ".b.c.d", "a" * 64 + ".b .c.d"]
)
def test_what_is_no_token_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(IdentityError, match=r"^--token: expected four parts") as caught:
        parse_token(text)
    assert len(text) < 10 or text not in str(caught.value)
