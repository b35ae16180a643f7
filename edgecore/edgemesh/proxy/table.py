"""What the proxy is to do, as text: EdgeCore writes it, the proxy reads it. Pure; both ends are in this file.

A line is a word and its values, between blanks::

    domain cluster.local
    dns 169.254.20.7                                       where the names are asked for
    edgecore 812                                           process ids: who lays the table,
    serve 901                                              and the containers for whom it is there
    address 10.96.1.0                                      an address that is this board's while the Service is here
    name web.default.svc.cluster.local 10.96.1.0
    srv _http._tcp.web.default.svc.cluster.local 80 web.default.svc.cluster.local
    listen tcp 10.96.1.0 80 turns 10.88.0.5:8080 10.88.0.6:8080
"""

from __future__ import annotations

MAGIC = "bramble-edgemesh 1"
TURNS = "turns"
"""Each connection goes to the next backend."""
CLIENT = "client"
"""Each client keeps its backend as long as the backends stay the same (sessionAffinity ClientIP)."""

Endpoint = tuple[str, int]
"""(address, port)"""


class Listener:
    """Where connections are taken, and to whom they go."""

    __slots__ = ("affinity", "backends", "place", "protocol")

    def __init__(self, protocol: str, place: Endpoint, affinity: str, backends: tuple[Endpoint, ...]) -> None:
        self.protocol = protocol
        self.place = place
        self.affinity = affinity
        self.backends = backends

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.protocol, *self.place)


class Table:
    __slots__ = ("addresses", "dns", "domain", "edgecore", "listeners", "names", "serve", "srv")

    def __init__(self) -> None:
        self.domain = ""
        self.dns = ""
        self.edgecore = 0
        self.serve: set[int] = set()
        self.addresses: set[str] = set()
        self.names: dict[str, tuple[str, ...]] = {}
        self.srv: dict[str, tuple[tuple[int, str], ...]] = {}
        self.listeners: dict[tuple[str, str, int], Listener] = {}


def written(table: Table) -> str:
    lines = [MAGIC, f"domain {table.domain}", f"dns {table.dns}", f"edgecore {table.edgecore}"]
    lines += [f"serve {pid}" for pid in sorted(table.serve)]
    lines += [f"address {address}" for address in sorted(table.addresses)]
    lines += [" ".join(("name", name, *addresses)) for name, addresses in sorted(table.names.items())]
    lines += [f"srv {name} {port} {target}" for name, found in sorted(table.srv.items()) for port, target in found]
    for key, listener in sorted(table.listeners.items()):
        protocol, address, port = key
        to = " ".join(f"{host}:{number}" for host, number in listener.backends)
        lines.append(f"listen {protocol} {address} {port} {listener.affinity} {to}".rstrip())
    return "\n".join((*lines, ""))


def read(text: str) -> Table:
    """Raises:
    ValueError: written by another version.
    """
    lines = text.splitlines()
    if not lines or lines[0] != MAGIC:
        raise ValueError(f"expected {MAGIC!r} in the first line")
    table = Table()
    for line in lines[1:]:
        word, *values = line.split()
        if word == "domain":
            table.domain = values[0] if values else ""
        elif word == "dns":
            table.dns = values[0] if values else ""
        elif word == "edgecore":
            table.edgecore = int(values[0])
        elif word == "serve":
            table.serve.add(int(values[0]))
        elif word == "address":
            table.addresses.add(values[0])
        elif word == "name":
            table.names[values[0]] = tuple(values[1:])
        elif word == "srv":
            table.srv[values[0]] = (*table.srv.get(values[0], ()), (int(values[1]), values[2]))
        elif word == "listen":
            listener = Listener(values[0], (values[1], int(values[2])), values[3], tuple(_endpoint(value) for value in values[4:]))
            table.listeners[listener.key] = listener
        else:
            raise ValueError(f"unknown word {word!r}")
    return table


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return host, int(port)
