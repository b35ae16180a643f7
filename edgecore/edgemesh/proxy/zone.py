"""What a question about a Service is answered with. Pure."""

from __future__ import annotations

from edgecore.edgemesh.proxy import dnswire
from edgecore.edgemesh.proxy import sockets as socket
from edgecore.edgemesh.proxy.table import Table

TTL = 5
"""Seconds that an answer may be remembered, as cluster DNS has it."""


def is_ours(table: Table, name: str) -> bool:
    """Whether nobody else knows ``name``: it lies in the cluster's domain."""
    return bool(table.domain) and (name == table.domain or name.endswith("." + table.domain))


def reply(table: Table, question: dnswire.Question, *, limit: int) -> bytes:
    """The answer to a question about a name in the cluster's domain."""
    name = question.name
    if question.rclass not in (dnswire.IN, dnswire.ANY):
        return dnswire.answer(question, [], ttl=TTL, code=dnswire.NOT_IMPLEMENTED)
    records: list[tuple[int, bytes]] = []
    if question.kind in (dnswire.A, dnswire.ANY):
        records += [(dnswire.A, socket.inet_aton(address)) for address in table.names.get(name, ())]
    if question.kind in (dnswire.SRV, dnswire.ANY):
        records += [(dnswire.SRV, dnswire.srv(port, target)) for port, target in table.srv.get(name, ())]
    known = name in table.names or name in table.srv or name == table.domain
    return dnswire.answer(question, records, ttl=TTL, code=dnswire.NO_ERROR if known else dnswire.NO_SUCH_NAME, limit=limit)


def nameservers(resolv_conf: str, own: str) -> list[str]:
    """Whom the board itself asks, in order; at most three, as resolvers have it. Our own address would go round in circles."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] != own:
            found.append(words[1])
    return found[:3]
