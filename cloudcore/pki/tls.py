"""TLS of CloudCore's listeners (X1): 1.2 or newer, client certificates of our CA."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import ssl
import struct
from collections.abc import Iterable
from pathlib import Path

from cloudcore.pki.authority import Authority

_SIOCGIFADDR = 0x8915
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""


def server_ssl_context(authority: Authority, names: Iterable[str], *, client_required: bool, now: float) -> ssl.SSLContext:
    """The context of a listener that is reached under ``names``.

    ``client_required``: True for the hub (no certificate, no connection), False for enrolment (one that is shown must be our CA's).
    The dates of a client's certificate are left to who serves it: renewal takes one that ran out, the hub says so to its board (P2.10).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    context.verify_flags |= _NO_CHECK_TIME
    _load_chain(context, authority.make_server(server_names(names), now=now))
    return context


def kubelet_ssl_context(authority: Authority, names: Iterable[str], *, now: float) -> ssl.SSLContext:
    """The context of the port for API servers: a certificate of our CA for ``names``; whose client certificates it takes is added later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_chain(context, authority.make_server(server_names(names), now=now))
    return context


def server_names(extra: Iterable[str]) -> list[str]:
    """Every address and name under which this machine may be reached, with those that a person added, each once."""
    local = ["localhost", "127.0.0.1", "::1", *_host_names(), *ipv4_addresses(), *_ipv6_addresses()]
    return list(dict.fromkeys([*extra, *local]))


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """The library reads files only: lend it one that exists in memory, so that the key never touches a disk."""
    handle = os.memfd_create("cloudcore-server", os.MFD_CLOEXEC)
    try:
        os.write(handle, pem)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _host_names() -> list[str]:
    name = socket.gethostname()
    return [name] if name.isascii() and all(part and part.replace("-", "").isalnum() for part in name.split(".")) else []


def ipv4_addresses() -> list[str]:
    """The first address of every interface, asked of the kernel: a look-up by name could hang on a DNS server."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asker.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _ipv6_addresses() -> list[str]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    return [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines]
