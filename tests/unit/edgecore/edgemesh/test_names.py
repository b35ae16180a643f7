"""DNS questions and answers as bytes, and what the zone says."""

from __future__ import annotations

import struct

import pytest

from edgecore.edgemesh.proxy import dnswire, routes, zone
from edgecore.edgemesh.proxy.table import Table

HOST = "web.default.svc.cluster.local"


def question(name: str, kind: int = dnswire.A, *, number: int = 7, flags: int = 0x0100, more: bytes = b"") -> bytes:
    return struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0) + dnswire.encoded_name(name) + struct.pack("!HH", kind, dnswire.IN) + more


def table() -> Table:
    made = Table()
    made.domain = "cluster.local"
    made.names = {HOST: ("10.96.1.0",), f"many.{HOST}": tuple(f"10.88.0.{number}" for number in range(1, 100))}
    made.srv = {f"_http._tcp.{HOST}": ((80, HOST),)}
    return made


def said(name: str, kind: int = dnswire.A, *, limit: int = 512) -> tuple[int, int, bytes]:
    """(code, number of records, everything after the question)."""
    asked = question(name, kind)
    answer = zone.reply(table(), dnswire.read(asked), limit=limit)
    number, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", answer)
    assert number == 7 and questions == 1 and flags & 0x8000 and answer[12 : len(asked)] == asked[12:]
    return flags & 15, answers, answer[len(asked) :]


def test_the_name_of_a_service_is_answered_with_its_address() -> None:
    code, count, records = said(HOST)
    assert (code, count) == (0, 1)
    assert records == b"\xc0\x0c" + struct.pack("!HHLH", dnswire.A, dnswire.IN, 5, 4) + bytes((10, 96, 1, 0))


def test_capitals_make_no_difference_and_come_back_as_they_were_sent() -> None:
    asked = question("WEB.Default.svc.cluster.LOCAL")
    answer = zone.reply(table(), dnswire.read(asked), limit=512)
    assert answer[6:8] == b"\0\1" and answer[12 : len(asked)] == asked[12:]


def test_a_name_without_an_address_of_that_family_exists_all_the_same() -> None:
    assert said(HOST, dnswire.AAAA)[:2] == (dnswire.NO_ERROR, 0)
    assert said(f"nobody.{HOST}", dnswire.AAAA)[:2] == (dnswire.NO_SUCH_NAME, 0)


def test_a_named_port_is_found_by_srv() -> None:
    code, count, records = said(f"_http._tcp.{HOST}", dnswire.SRV)
    assert (code, count) == (0, 1) and struct.pack("!HHH", 0, 100, 80) + dnswire.encoded_name(HOST) in records


def test_an_answer_that_is_too_long_is_cut_off_and_says_so() -> None:
    asked = question(f"many.{HOST}")
    short = zone.reply(table(), dnswire.read(asked), limit=512)
    assert len(short) <= 512 and short[2] & 0x02
    assert said(f"many.{HOST}", limit=65535)[1] == 99


@pytest.mark.parametrize(
    ("name", "ours"), [(HOST, True), ("cluster.local", True), ("xcluster.local", False), ("example.com", False), ("", False)]
)
def test_only_names_of_the_clusters_domain_are_ours(name: str, ours: bool) -> None:
    assert zone.is_ours(table(), name) is ours


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"\0" * 11,
        question("a")[:-3],
        struct.pack("!HHHHHH", 1, 0x0100, 2, 0, 0, 0) + dnswire.encoded_name("a") + b"\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x8100, 1, 0, 0, 0) + dnswire.encoded_name("a") + b"\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
    ],
)
def test_what_is_no_question_is_refused(message: bytes) -> None:
    with pytest.raises(dnswire.Unreadable):
        dnswire.read(message)
    answer = dnswire.failure(message, dnswire.FORMAT_ERROR)
    assert answer == b"" or (answer[:2] == message[:2] and answer[3] & 15 == dnswire.FORMAT_ERROR)


def test_an_answer_is_never_answered() -> None:
    assert dnswire.failure(struct.pack("!HHHHHH", 1, 0x8100, 1, 0, 0, 0), dnswire.FORMAT_ERROR) == b""


def test_whom_the_board_asks_is_read_without_ourselves() -> None:
    servers = ("169.254.20.7", "127.0.0.53", "fd00::1", "9.9.9.9", "1.1.1.1", "")
    text = "# c\nsearch lan\n" + "".join(f"nameserver {server}\n" for server in servers)
    assert zone.nameservers(text, "169.254.20.7") == ["127.0.0.53", "fd00::1", "9.9.9.9"]


def test_an_address_of_a_network_that_the_board_is_on_is_somebodys() -> None:
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    lines = ("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0", "eth0\t0000600A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0")
    known = head + "\n".join(lines) + "\n"
    assert routes.neighbours(known, "10.96.1.0") == "eth0"
    assert routes.neighbours(known, "10.97.1.0") == ""
    assert routes.neighbours(head, "10.96.1.0") == ""
