"""The DNS server: names of Services from the table, all others from whom the board itself asks, over UDP and TCP."""

from __future__ import annotations

import os
from collections.abc import Callable

from edgecore.edgemesh.proxy import dnswire, zone
from edgecore.edgemesh.proxy import sockets as socket
from edgecore.edgemesh.proxy.link import Link
from edgecore.edgemesh.proxy.loop import READ, Loop, Timer
from edgecore.edgemesh.proxy.table import Endpoint, Table

PORT = 53
_AT_ONCE = 32
_DATAGRAM = 65535
_MOST_ASKED = 200
"""Questions under way to other servers; of more the asker hears nothing and asks again."""
ASK_LIMIT = 2.0
"""Seconds in which a server must answer before the next one is asked."""
_ROUNDS = 2
_STREAM_IDLE = 10.0
_MOST_STREAMS = 64


class NameServer:
    """``table()`` gives the newest one, ``begin`` starts a link to another server. ``resolv_conf``: where the board's servers stand."""

    def __init__(
        self,
        loop: Loop,
        address: str,
        table: Callable[[], Table],
        begin: Callable[[Link], object],
        *,
        resolv_conf: str,
        port: int = PORT,
    ) -> None:
        """``port``: ours and that of the others. Raises OSError: nobody may listen there now."""
        self._port = port
        self._loop = loop
        self._address = address
        self._table = table
        self._begin = begin
        self._resolv_conf = resolv_conf
        self._read_at = -1
        self._servers: list[Endpoint] = []
        self._asked: set[_Asked] = set()
        self._streams: set[_Stream] = set()
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._door = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._datagrams.bind((address, port))
            self._door.bind((address, port))
            self._door.listen(32)
        except OSError:
            self._datagrams.close()
            self._door.close()
            raise
        loop.watch(self._datagrams.fileno(), READ, self._take)
        loop.watch(self._door.fileno(), READ, self._accept)

    def close(self) -> None:
        for asked in list(self._asked):
            asked.end()
        for stream in list(self._streams):
            stream.end()
        for end in (self._datagrams, self._door):
            self._loop.forget(end.fileno())
            end.close()

    def servers(self) -> list[Endpoint]:
        """Whom the board asks. Read again when the file has changed: a board moves from one network to another."""
        try:
            changed = os.stat(self._resolv_conf).st_mtime_ns
            if changed != self._read_at:
                with open(self._resolv_conf, encoding="utf-8", errors="replace") as file:
                    self._servers = [(server, self._port) for server in zone.nameservers(file.read(65536), self._address)]
                self._read_at = changed
        except OSError:
            self._servers = []
        return self._servers

    def own_answer(self, message: bytes, *, limit: int) -> bytes | None:
        """None: somebody else has to be asked."""
        try:
            question = dnswire.read(message)
        except dnswire.Unreadable:
            return dnswire.failure(message, dnswire.FORMAT_ERROR)
        table = self._table()
        return zone.reply(table, question, limit=limit) if zone.is_ours(table, question.name) else None

    def _take(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, asker = self._datagrams.recvfrom(_DATAGRAM)
            except OSError:
                return
            answer = self.own_answer(message, limit=dnswire.LONGEST_UDP)
            if answer is not None:
                self._say(answer, to=asker)
            elif len(self._asked) < _MOST_ASKED:
                _Asked(self._loop, message, self.servers() * _ROUNDS, self._asked, self._to(asker))

    def _to(self, asker: tuple[str, int]) -> Callable[[bytes], None]:
        return lambda answer: self._say(answer, to=asker)

    def _say(self, answer: bytes, to: tuple[str, int]) -> None:
        try:
            if answer:
                self._datagrams.sendto(answer, to)
        except OSError:
            return

    def _accept(self, events: int) -> None:
        try:
            client, _ = socket.accepted(self._door)
        except OSError:
            return
        if len(self._streams) >= _MOST_STREAMS:
            client.close()
            return
        _Stream(self._loop, client, self, self._streams, self._begin)


class _Asked:
    """One question on its way to other servers, one after the other. ``say`` gets the answer, once."""

    def __init__(self, loop: Loop, message: bytes, servers: list[Endpoint], all_asked: set[_Asked], say: Callable[[bytes], object]) -> None:
        self._loop = loop
        self._message = message
        self._servers = servers
        self._all = all_asked
        self._say = say
        self._socket: socket.socket | None = None
        self._timer: Timer | None = None
        all_asked.add(self)
        self._next()

    def end(self) -> None:
        self._all.discard(self)
        self._hang_up()

    def _next(self) -> None:
        self._hang_up()
        while self._servers:
            server = self._servers.pop(0)
            towards = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                towards.connect(server)
                towards.send(self._message)
            except OSError:
                towards.close()
                continue
            self._socket = towards
            self._timer = self._loop.later(ASK_LIMIT, self._next)
            self._loop.watch(towards.fileno(), READ, self._answered)
            return
        self.end()
        self._say(dnswire.failure(self._message, dnswire.SERVER_FAILURE))

    def _answered(self, events: int) -> None:
        assert self._socket is not None
        try:
            answer = self._socket.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            self._next()
            return
        if len(answer) < 12 or answer[:2] != self._message[:2] or not answer[2] & 0x80:
            return
        if answer[3] & 0x0F in (dnswire.SERVER_FAILURE, 5) and self._servers:
            self._next()
            return
        self.end()
        self._say(answer)

    def _hang_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None


class _Stream:
    """A client over TCP: answered here, or linked to another server with what it has said."""

    def __init__(
        self, loop: Loop, client: socket.socket, server: NameServer, all_streams: set[_Stream], begin: Callable[[Link], object]
    ) -> None:
        self._loop = loop
        self._client = client
        self._server = server
        self._all = all_streams
        self._begin = begin
        self._said = b""
        all_streams.add(self)
        self._timer = loop.later(_STREAM_IDLE, self.end)
        loop.watch(client.fileno(), READ, self._take)

    def end(self) -> None:
        self._let_go()
        self._client.close()

    def _let_go(self) -> None:
        self._timer.cancel()
        self._all.discard(self)
        self._loop.forget(self._client.fileno())

    def _take(self, events: int) -> None:
        try:
            piece = self._client.recv(_DATAGRAM)
            self._said += piece
            while len(self._said) >= 2 and len(self._said) >= (length := int.from_bytes(self._said[:2], "big")) + 2:
                answer = self._server.own_answer(self._said[2 : 2 + length], limit=_DATAGRAM)
                if answer is None:
                    self._link()
                    return
                self._said = self._said[2 + length :]
                self._client.send(len(answer).to_bytes(2, "big") + answer)
        except BlockingIOError:
            return
        except OSError:
            self.end()
            return
        if not piece or len(self._said) > _DATAGRAM:
            self.end()

    def _link(self) -> None:
        self._let_go()
        self._begin(Link(self._loop, self._client, self._server.servers(), lambda link: None, first=self._said))
