"""The event loop of our servers, where peers end connections as they are made (D8)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading

from supervision.loops import new_event_loop

ENOUGH = 100


def test_a_connection_that_its_peer_resets_at_once_leaves_no_socket_that_closes_anothers_number() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=ENOUGH) as listening:
        threading.Thread(target=_reset_all, args=(listening,), daemon=True).start()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            given = runner.run(_connect(listening.getsockname()))
    assert [sock for sock in given if sock.fileno() != -1] == []


async def _connect(address: tuple[str, int]) -> list[socket.socket]:
    """``ENOUGH`` sockets that were given to the loop for a TLS connection, all of which failed; many others are reset before."""
    loop, context, given = asyncio.get_running_loop(), ssl.create_default_context(), []

    async def one() -> None:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError:
            sock.close()
            return
        given.append(sock)
        try:
            await loop.create_connection(asyncio.Protocol, sock=sock, ssl=context, server_hostname="x")
        except OSError:
            pass
        else:
            raise AssertionError("there is no such server")

    while len(given) < ENOUGH:
        await asyncio.gather(*(one() for _ in range(20)))
    return given


def _reset_all(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
