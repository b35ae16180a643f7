"""What an idle link costs in a month, TLS and TCP/IP headers included (C7).

A second board that pings often is listened to; its link's bytes and segments are the kernel's count. The cost of one ping, at the default
interval, and of one node status, as often as one is sent without news, make the month. IPv4, 52 bytes of headers a segment.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

from demo.parts import Board
from demo.stage import free_port
from edgecore.config import EdgeHub
from edgecore.edged.node_reporter import LEDGER_HEARTBEAT
from edgecore.metaclient import NODE_STATUS_UID
from tests.bench.figure import Figure, Group
from tests.bench.stand import NODE, Stand
from viaduct.codec import encode
from viaduct.message import acknowledge, new_message

_HEADERS = 20 + 32
_TLS_RECORD = 22
_PING_EVERY = 2
_SECONDS = 60.0
_MONTH = 30 * 24 * 3600.0


def measure(stand: Stand) -> Iterator[Figure]:
    board = Board(stand.site, "idle", mqtt=free_port())
    board.join()
    quiet = f"  edgeHub:\n    pingInterval: {_PING_EVERY}\n"
    config = board.config.read_text()
    board.config.write_text(config.replace("  edged:\n", "  edged:\n    enable: false\n").replace("  edgeHub:\n", quiet))
    board.start()
    try:
        stand.site.wait("the link of the second board", lambda: board.links() or None, within=30)
        time.sleep(5)
        assert board.process is not None
        before = _bytes(board.process.pid, stand.site.hub)
        time.sleep(_SECONDS)
        ping = (_bytes(board.process.pid, stand.site.hub) - before) / (_SECONDS / _PING_EVERY)
    finally:
        board.stop()
    yield Figure("link.ping", ping, "bytes")
    status = _status_bytes(stand)
    yield Figure("link.node_status", status, "bytes")
    month = ping * _MONTH / EdgeHub().ping_interval + status * _MONTH / LEDGER_HEARTBEAT
    yield Figure("link.idle_month", month / 1e6, "MB")


def _bytes(pid: int, hub: int) -> int:
    """Everything that has crossed the link of the process so far, both ways."""
    command = ["ss", "-tniHp", "state", "established", "dport", "=", f":{hub}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for head, facts in zip(lines[::2], lines[1::2], strict=True):
        if f"pid={pid}," in head and "bytes_sent" in facts:
            found = {name: int(number) for name, number in re.findall(r"(bytes_sent|bytes_received|segs_out|segs_in):(\d+)", facts)}
            return found["bytes_sent"] + found["bytes_received"] + _HEADERS * (found["segs_out"] + found["segs_in"])
    raise AssertionError(f"process {pid} has no link")


def _status_bytes(stand: Stand) -> float:
    """A status as the bench's board says it, and its acknowledgement."""
    status = stand.site.get("node", NODE)["status"]
    said = new_message(
        source="edged",
        group="meta",
        operation="update",
        resource=f"default/nodestatus/{NODE}",
        now_ms=time.time_ns() // 1_000_000,
        content={"UID": NODE_STATUS_UID, "Status": status, "ExtendResources": None},
    )
    frames = (encode(said), encode(acknowledge(said, now_ms=said.header.timestamp)))
    segments = sum(2 + len(frame) // 1400 for frame in frames)  # each is acknowledged by TCP
    return sum(len(frame.encode()) + _TLS_RECORD + 8 for frame in frames) + _HEADERS * (segments + 1)


GROUP = Group(("link.ping", "link.node_status", "link.idle_month"), measure, needs_board=True)
