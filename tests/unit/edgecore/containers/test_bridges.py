"""Which bridges are told to keep their address."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecore.containers import bridges


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found: dict[str, str] = {}
    monkeypatch.setattr(bridges, "_give", lambda name, address: found.update({name: address.hex(":")}))
    return found


def interface(root: Path, name: str, *, given: str = "0", bridge: bool = True, address: str = "1a:04:b4:5e:24:74") -> None:
    place = root / name
    (place / "bridge" if bridge else place).mkdir(parents=True)
    (place / "addr_assign_type").write_text(given + "\n")
    (place / "address").write_text(address + "\n")


def test_a_bridge_of_podman_is_told_the_address_that_it_has(tmp_path: Path, told: dict[str, str]) -> None:
    interface(tmp_path, "podman0")
    interface(tmp_path, "podman12", address="02:00:00:00:00:01")
    assert bridges.keep_addresses(tmp_path) == ["podman0", "podman12"]
    assert told == {"podman0": "1a:04:b4:5e:24:74", "podman12": "02:00:00:00:00:01"}


def test_a_bridge_that_was_told_already_and_strangers_are_left_alone(tmp_path: Path, told: dict[str, str]) -> None:
    interface(tmp_path, "podman0", given="3")
    interface(tmp_path, "br0")
    interface(tmp_path, "docker0")
    interface(tmp_path, "podman1", bridge=False)
    assert (bridges.keep_addresses(tmp_path), told) == ([], {})


def test_a_bridge_that_goes_meanwhile_and_a_missing_right_are_no_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, address: bytes) -> None:
        raise PermissionError(1, name)

    monkeypatch.setattr(bridges, "_give", refuse)
    interface(tmp_path, "podman0")
    (tmp_path / "podman1" / "bridge").mkdir(parents=True)
    assert bridges.keep_addresses(tmp_path) == []
    assert bridges.keep_addresses(tmp_path / "absent") == []
