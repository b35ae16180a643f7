"""The way to the cloud, step by step: an address, a name, a port, TLS, and when it was last heard."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from edgecore.certs.clock import SignedClock
from edgecore.certs.renewal import enrolment_endpoint
from edgecore.cloudlink import Identity, Timeouts, greet
from edgecore.doctor import network
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.doctor.wording import in_words
from edgecore.edged.machine import route_address
from edgecore.errors import EdgeCoreError, LinkError

_QUIET = 600
_LONG = 86_400
_OUTBOX_FULL = 0.8
_SERVER = "modules.edgehub.websocket.server"


def judge_network(address: str) -> Verdict:
    if ipaddress.ip_address(address).is_loopback:
        return warning("this board has no way to any network", "check cable or Wi-Fi: ip address; ip route")
    return ok(f"this board's address is {address}")


def judge_dns(host: str, answer: Sequence[str], trouble: str, servers: Sequence[str]) -> Verdict:
    """``host``: the cloud's, empty or an address where no name is needed for it. ``servers``: those of /etc/resolv.conf."""
    if trouble:
        asked = f" (asked: {', '.join(servers)})" if servers else " (no DNS server is set in /etc/resolv.conf)"
        return wrong(f"the cloud's name {host} cannot be resolved: {trouble}{asked}", f"correct the name in {_SERVER}, or the DNS server")
    if answer:
        return ok(f"{host} is {', '.join(answer[:4])}")
    if not servers:
        return warning("no DNS server is set in /etc/resolv.conf: names of image registries cannot be resolved", "set one, or use DHCP's")
    return ok(f"DNS is asked at {', '.join(servers)}; the cloud is given by address")


def judge_port(where: str, refusal: str, setting: str) -> Verdict:
    if refusal:
        return wrong(f"{where} cannot be reached: {refusal}", f"is CloudCore running, {setting} right, the port open in every firewall?")
    return ok(f"{where} answers")


def judge_contact(link: Mapping[str, Any]) -> Verdict:
    seconds = int(link["seconds"])
    if link["connected"]:
        return ok(f"connected for {in_words(seconds)}")
    mend = "see dns, cloud-reach, cloud-tls and certificate"
    if seconds >= _LONG:
        return wrong(f"the cloud has not been heard for {in_words(seconds)}", mend)
    if seconds >= _QUIET:
        return warning(f"the cloud has not been heard for {in_words(seconds)}", mend)
    return ok(f"not connected for {in_words(seconds)}: EdgeCore tries again")


def judge_outbox(events: int, size: int, cap: int, dropped: Mapping[str, int]) -> Verdict:
    """``size`` and ``cap`` in bytes."""
    lost = ", ".join(f"{count} ({reason})" for reason, count in dropped.items() if count)
    if size > cap * _OUTBOX_FULL:
        return warning(
            f"{events} events and uploads wait for the cloud, {size * 100 // cap} % of what may wait; of more the oldest are dropped",
            "bring the link back, or raise database.outbox.maxSize",
        )
    if lost:
        return warning(
            f"since the database was made these were dropped and will never arrive: {lost}", "docs/operations.md has the reasons"
        )
    return ok(f"{events} events and uploads wait for the cloud, none was lost")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_nowhere(case: Case, host: str) -> bool:
    try:
        case.addresses_of(host)
    except EdgeCoreError:
        return True
    return False


def _look_network(case: Case) -> Verdict:
    return judge_network(route_address())


def _look_dns(case: Case) -> Verdict:
    lines = (line.split() for line in case.board.text("/etc/resolv.conf").splitlines())
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    host = case.hub.host if case.speaks_to_a_cloud else ""
    if not host or _is_address(host):
        return judge_dns(host, [], "", servers)
    try:
        return judge_dns(host, case.addresses_of(host), "", servers)
    except EdgeCoreError as exc:
        return judge_dns(host, [], str(exc), servers)


def _look_reach(case: Case) -> Verdict:
    if not case.speaks_to_a_cloud:
        return skipped("no cloud is configured")
    if _is_nowhere(case, case.hub.host):
        return skipped(f"{case.hub.host} has no address: see dns")
    return judge_port(str(case.hub), network.refusal(case.hub.host, case.hub.port), _SERVER)


def _look_enrolment(case: Case) -> Verdict:
    if not case.speaks_to_a_cloud:
        return skipped("no cloud is configured")
    endpoint = enrolment_endpoint(case.config.modules.edgehub)
    if _is_nowhere(case, endpoint.host):
        return skipped(f"{endpoint.host} has no address: see dns")
    return judge_port(str(endpoint), network.refusal(endpoint.host, endpoint.port), "modules.edgehub.httpServer")


def _look_tls(case: Case) -> Verdict:
    if not case.speaks_to_a_cloud:
        return skipped("no cloud is configured")
    edgehub, files = case.config.modules.edgehub, case.identity_files
    if not all(case.board.exists(path) for path in (edgehub.tls_ca_file, edgehub.tls_cert_file, edgehub.tls_private_key_file)):
        return skipped("this board has no certificate yet: see identity")
    case.board.text(edgehub.tls_private_key_file)  # says who may read it
    if _is_nowhere(case, case.hub.host) or network.refusal(case.hub.host, case.hub.port):
        return skipped(f"{case.hub} cannot be reached: see cloud-reach")
    identity = Identity(files.ca, files.certificate, files.key)
    clock = SignedClock(files.signed_time)
    try:
        version = greet(case.hub.host, case.hub.port, identity, Timeouts(reach=4.0, handshake=6.0), now=clock.now)
    except LinkError as exc:
        return wrong(str(exc), f"see certificate, clock and {_SERVER}; another CA: join again, edgecore join --force")
    return ok(f"{case.hub} proves itself by the CA of this cluster ({version})")


def _look_contact(case: Case) -> Verdict:
    if not case.speaks_to_a_cloud:
        return skipped("no cloud is configured")
    if not case.agent():
        return skipped("EdgeCore does not run")
    return judge_contact(case.status()["link"])


def _look_outbox(case: Case) -> Verdict:
    found = case.inspection()
    if found is None:
        return skipped("there is no database yet")
    if found.flaw:
        return skipped("the database is damaged: see database")
    events = [held for rank, held in found.owed.items() if rank.name in ("EVENT", "UPLOAD")]
    cap = case.config.database.outbox.max_size * 1024 * 1024
    return judge_outbox(sum(held.rows for held in events), sum(held.bytes for held in events), cap, found.dropped)


CHECKS = (
    Check(
        "network",
        Group.CLOUD,
        "the board has an address and a route",
        "Pods run without it; the cloud and images do not come.",
        _look_network,
    ),
    Check(
        "dns",
        Group.CLOUD,
        "the cloud's name can be resolved",
        "Without its address the cloud is not found; image registries are not either.",
        _look_dns,
        limit=20.0,
    ),
    Check(
        "cloud-reach",
        Group.CLOUD,
        "the cloud's port for boards takes a connection",
        "Everything between board and cloud goes over this one connection.",
        _look_reach,
        limit=20.0,
    ),
    Check(
        "cloud-enrolment",
        Group.CLOUD,
        "the cloud's port for certificates and time takes a connection",
        "Certificates are renewed there, and a board with a wrong clock gets the time there.",
        _look_enrolment,
        limit=20.0,
    ),
    Check(
        "cloud-tls",
        Group.CLOUD,
        "the cloud proves itself by the pinned CA, and takes this node's certificate",
        "Whoever cannot is not the cloud; EdgeCore says no word to it.",
        _look_tls,
        limit=20.0,
        root=True,
    ),
    Check(
        "cloud-contact",
        Group.CLOUD,
        "the link is there, or not gone for long",
        "Changes wait in the cloud, and reports on this board, until the link is back.",
        _look_contact,
        limit=15.0,
        root=True,
    ),
    Check(
        "outbox",
        Group.CLOUD,
        "what waits for the cloud is far from its cap, and nothing was dropped",
        "Of events and uploads beyond database.outbox the oldest are dropped.",
        _look_outbox,
        limit=60.0,
        root=True,
    ),
)
