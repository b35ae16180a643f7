"""Protobuf bodies."""

from __future__ import annotations

import pytest

from cloudstub.api import protobuf
from cloudstub.errors import ApiError, BadRequest, UnsupportedMediaType


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content % 2**64)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def body(api_version: str, kind: str, message: bytes) -> bytes:
    names = field(1, api_version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, names) + field(2, message) + field(3, b"") + field(4, b"")


def test_a_namespace_as_kubectl_sends_it() -> None:
    metadata = field(1, b"foo") + field(2, b"") + field(7, 0) + field(8, b"")
    raw = body("v1", "Namespace", field(1, metadata) + field(2, b"") + field(3, field(1, b"")))
    assert protobuf.parse(raw) == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo"}}


def test_maps_lists_bytes_and_numbers() -> None:
    secret = field(1, field(1, b"s")) + field(2, field(1, b"k") + field(2, b"\x00\xff")) + field(5, 0)
    assert protobuf.parse(body("v1", "Secret", secret)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"k": "AP8="},
        # A pointer in Kubernetes' types: false was said, not left out.
        "immutable": False,
    }
    container = field(1, b"c") + field(3, b"sh") + field(3, b"-c") + field(8, field(1, field(1, b"cpu") + field(2, field(1, b"1"))))
    template = field(2, field(2, container))
    spec = field(1, 0) + field(3, template) + field(4, field(2, field(1, field(1, 1) + field(3, b"25%"))))
    deployment = protobuf.parse(body("apps/v1", "Deployment", field(2, spec)))
    assert deployment["spec"] == {
        "replicas": 0,
        "template": {"spec": {"containers": [{"name": "c", "command": ["sh", "-c"], "resources": {"limits": {"cpu": "1"}}}]}},
        "strategy": {"rollingUpdate": {"maxUnavailable": "25%"}},
    }


def test_a_volume_stands_beside_its_name() -> None:
    volume = field(1, b"v") + field(2, field(19, field(1, field(1, b"c"))))
    pod = protobuf.parse(body("v1", "Pod", field(2, field(1, volume))))
    assert pod["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]


def test_negative_numbers_come_out_negative() -> None:
    options = protobuf.parse(body("v1", "DeleteOptions", field(1, -1)))
    assert options["gracePeriodSeconds"] == -1


def test_what_is_not_known_is_refused_and_never_cut() -> None:
    with pytest.raises(BadRequest, match="protobuf field 99 of NamespaceSpec is not known here: send application/json"):
        protobuf.parse(body("v1", "Namespace", field(2, field(99, b"x"))))
    with pytest.raises(UnsupportedMediaType, match="Odd is not accepted as protobuf"):
        protobuf.parse(body("v1", "Odd", b""))


GOOD = body(
    "v1", "Secret", field(1, field(1, b"s") + field(11, field(1, b"a") + field(2, b"b"))) + field(2, field(1, b"k") + field(2, b"v"))
)


def test_no_half_or_spoilt_message_is_more_than_a_bad_request() -> None:
    spoilt = [GOOD[:n] for n in range(len(GOOD))]
    spoilt += [GOOD[:n] + bytes([junk]) + GOOD[n + 1 :] for n in range(len(GOOD)) for junk in (0, 1, 8, 0x0D, 0x7F, 0xFF)]
    for raw in spoilt:
        try:
            protobuf.parse(raw)
        except ApiError as exc:
            assert exc.code in (400, 415)
