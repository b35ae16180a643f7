"""The simulator's Modbus port: whatever a stranger sends, the next one reads the registers as they were (X7)."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

READ_FIRST_TWO = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 2)
WRITE_FIRST = struct.pack(">HHHBBHH", 2, 0, 6, 1, 6, 0, 999)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "mappers.modbus.simulated", "--port", "0", "--still", "--registers", "holding:0=215,1=180"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().removeprefix("listening on ").strip().rpartition(":")
        yield host, int(port)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(10) == 0


def answer(address: tuple[str, int], request: bytes, size: int) -> bytes:
    with socket.create_connection(address, timeout=5) as link:
        link.sendall(request)
        found = b""
        while len(found) < size and (piece := link.recv(size - len(found))):
            found += piece
        return found


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(255, 190, -1)),
        b"\xff" * 300_000,
        WRITE_FIRST[:-1],
        WRITE_FIRST[:7],
        struct.pack(">HHHBBHH", 2, 7, 6, 1, 6, 0, 999),
        struct.pack(">HHHBB", 2, 0, 65535, 1, 6) + b"x" * 70_000,
        struct.pack(">HHHBBHHB", 2, 0, 7, 1, 16, 0, 123, 246) + b"\0\1",
        struct.pack(">HHHBBHH", 2, 0, 6, 1, 6, 60_000, 999),
        struct.pack(">HHHBB", 2, 0, 2, 1, 99),
    ],
    ids=[
        "nothing",
        "http",
        "noise",
        "a flood",
        "half",
        "a head",
        "another protocol",
        "oversize",
        "too many",
        "no such register",
        "no function",
    ],
)
def test_garbage_oversize_and_half_requests_change_no_register(address: tuple[str, int], said: bytes) -> None:
    with socket.create_connection(address, timeout=5) as link:
        try:
            link.sendall(said)
        except OSError:
            pass  # it hung up on us, as it may
        assert answer(address, READ_FIRST_TWO, 13)[9:] == struct.pack(">HH", 215, 180)
    assert answer(address, READ_FIRST_TWO, 13)[9:] == struct.pack(">HH", 215, 180)


def test_a_request_for_registers_that_are_not_there_is_answered_with_an_exception(address: tuple[str, int]) -> None:
    assert answer(address, struct.pack(">HHHBBHH", 3, 0, 6, 1, 3, 60_000, 1), 9)[7:] == b"\x83\x02"
