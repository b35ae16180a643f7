"""Connections into a pod's network; here the pod is this process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgecore.containers.portforward import Forwarding, connect
from edgecore.errors import NobodyListens, NotRunning

OUR_GROUP = Path("/proc/self/cgroup").read_text().strip() or "none"


def test_a_connection_gives_what_comes_and_passes_on_what_goes_and_each_end_by_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        forwarding = Forwarding(connect(os.getpid(), OUR_GROUP, server.getsockname()[1]))
        there = server.accept()[0]
        forwarding.write(b"question")
        forwarding.end_input()
        assert there.recv(100) + there.recv(100) == b"question"
        there.sendall(b"answer")
        there.close()
        assert b"".join(data for _, data in forwarding.output()) == b"answer"
        forwarding.close()
        assert list(forwarding.output()) == []


def test_a_service_on_the_other_loopback_is_found() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        connect(os.getpid(), OUR_GROUP, server.getsockname()[1]).close()


def test_a_port_at_which_nobody_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NobodyListens, match=f"port {port} of the pod: Connection refused"):
            connect(os.getpid(), OUR_GROUP, port)


def test_a_process_that_is_gone_or_is_another_containers_is_not_entered() -> None:
    with pytest.raises(NotRunning):
        connect(2**22 + 1, OUR_GROUP, 80)
    with pytest.raises(NotRunning):
        connect(os.getpid(), "0123456789abcdef" * 4, 80)
