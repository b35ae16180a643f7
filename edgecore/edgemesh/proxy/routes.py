"""The door to the kernel's routes: an address becomes this board's own by a route of type local, as interfaces have them.

No interface, no firewall rule and no bridge is changed, and the route is gone with a reboot. Netlink by hand (rtnetlink(7)): four messages.
"""

from __future__ import annotations

import errno
import os
import struct

from edgecore.edgemesh.proxy import sockets as socket

_NEW, _DELETE = 24, 25
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR = 2
_TABLE_LOCAL, _TYPE_LOCAL, _SCOPE_HOST = 255, 2, 254
_ORIGIN = 66
"""rtm_protocol: who made the route, as ``ip route show table local proto 66`` asks."""
_ATTRIBUTE_DESTINATION, _ATTRIBUTE_DEVICE = 1, 4


def own(address: str) -> bool:
    """Make ``address`` this machine's own. False: it is already, by somebody else's doing.

    Raises:
        OSError: the kernel refuses.
    """
    code = _ask(_NEW, _REQUEST | _ACK | _CREATE | _EXCLUSIVE, address)
    if code and code != errno.EEXIST:
        raise OSError(code, os.strerror(code))
    return not code


def disown(address: str) -> None:
    """Undo ``own``. One that is gone is fine.

    Raises:
        OSError: the kernel refuses.
    """
    code = _ask(_DELETE, _REQUEST | _ACK, address)
    if code not in (0, errno.ESRCH):
        raise OSError(code, os.strerror(code))


def neighbours(route_table: str, address: str) -> str:
    """The interface on whose own network ``address`` lies, empty where it lies on none. ``route_table``: /proc/net/route."""
    wanted = int.from_bytes(socket.inet_aton(address), "little")
    best, found = -1, ""
    for line in route_table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        destination, gateway, mask = int(fields[1], 16), int(fields[2], 16), int(fields[7], 16)
        if wanted & mask == destination and mask.bit_count() > best:
            best, found = mask.bit_count(), "" if gateway else fields[0]
    return found


def _ask(kind: int, flags: int, address: str) -> int:
    route = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, _TABLE_LOCAL, _ORIGIN, _SCOPE_HOST, _TYPE_LOCAL, 0)
    body = route + _attribute(_ATTRIBUTE_DESTINATION, socket.inet_aton(address))
    body += _attribute(_ATTRIBUTE_DEVICE, struct.pack("=I", socket.if_nametoindex("lo")))
    door = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        door.settimeout(5.0)
        door.bind((0, 0))
        door.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = door.recv(4096)
    finally:
        door.close()
    length, what, _, _, _ = struct.unpack_from("=IHHII", answer)
    if what != _ERROR or length < 20:
        return errno.EPROTO
    return -int(struct.unpack_from("=i", answer, 16)[0])


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value
