from __future__ import annotations

from typing import Any

import pytest

from mappers.bluetooth.address import Peer, peer_of
from mappers.bluetooth.visitors import Characteristic, ManufacturerData, ServiceData, full_uuid, visitor_of
from mappers.sdk.errors import ProfileError
from tests.unit.mappers.bluetooth.made import BATTERY, MAC, device, wanted


@pytest.mark.parametrize(
    ("config", "peer"),
    [
        ({"macAddress": MAC.lower()}, Peer("hci0", MAC, "tag-1")),
        ({"macAddress": MAC.replace(":", "-")}, Peer("hci0", MAC, "tag-1")),
        ({"name": "Weather Tag", "adapter": "hci1"}, Peer("hci1", "", "Weather Tag")),
        ({"adapter": "hci0"}, Peer("hci0", "", "tag-1")),
    ],
)
def test_a_device_is_found_by_address_else_by_name(config: dict[str, Any], peer: Peer) -> None:
    assert peer_of(device(**config)) == peer


@pytest.mark.parametrize(("field", "value"), [("macAddress", "AA:BB"), ("macAddress", 7), ("adapter", "../hci0"), ("name", "x" * 249)])
def test_a_wrong_field_of_a_device_is_named(field: str, value: object) -> None:
    with pytest.raises(ProfileError) as refused:
        peer_of(device(**{field: value}))
    assert refused.value.path == f"protocols[0].protocol_config.{field}"


@pytest.mark.parametrize(
    ("peer", "mac", "name", "is_met"),
    [
        (Peer("hci0", MAC, "tag-1"), MAC.lower(), "", True),
        (Peer("hci0", MAC, "tag-1"), "00:00:00:00:00:01", "tag-1", False),
        (Peer("hci0", "", "cc2650-tag"), MAC, "cc2650 tag", True),
        (Peer("hci0", "", "cc2650 tag"), MAC, "cc2650-tag", True),
        (Peer("hci0", "", "tag-1"), MAC, "", False),
    ],
)
def test_a_name_matches_with_dashes_as_spaces_and_an_address_matches_alone(peer: Peer, mac: str, name: str, is_met: bool) -> None:
    assert peer.is_met(mac, name) is is_met


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("2a19", BATTERY),
        ("0x2A19", BATTERY),
        ("00002A19", BATTERY),
        (BATTERY.upper(), BATTERY),
        (BATTERY.replace("-", ""), BATTERY),
        ("2a199", None),
        ("zzzz", None),
    ],
)
def test_uuids_of_every_length_are_one(text: str, full: str | None) -> None:
    assert full_uuid(text) == full


@pytest.mark.parametrize(
    ("uuid", "source"),
    [
        ("2a19", Characteristic(BATTERY)),
        ("service-data:2a19", ServiceData(BATTERY)),
        ("manufacturer-data:0x0499", ManufacturerData(0x0499)),
        ("manufacturer-data:0499", ManufacturerData(0x0499)),
    ],
)
def test_a_visitor_names_a_characteristic_or_a_broadcast(uuid: str, source: object) -> None:
    assert visitor_of(wanted(uuid=uuid)).source == source
