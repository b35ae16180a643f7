"""deviceProfile.json for mappers that are no pods."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.stage import wait_for
from edgecore.edged.device_profiles import DeviceProfiles
from edgecore.errors import NoAnswer, NotFound


class Store:
    """What MetaManager would answer: an object, or the error that it raises."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | Exception = NotFound("nothing yet")
        self.asked = threading.Event()

    def get(self, namespace: str, type_: str, name: str, *, timeout: float = 10.0) -> dict[str, Any]:
        self.asked.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def laid(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Store, DeviceProfiles, Path]:
    store = Store()
    profiles = DeviceProfiles(store, "edge1", tmp_path)  # type: ignore[arg-type]
    profiles.start()
    request.addfinalizer(profiles.close)
    return store, profiles, tmp_path / "devices" / "default" / "deviceProfile.json"


def holds(place: Path, text: str) -> Callable[[], bool]:
    return lambda: place.exists() and place.read_text() == text


def test_the_profile_of_this_node_is_laid_and_replaced_and_removed_with_the_configmap(laid: tuple[Store, DeviceProfiles, Path]) -> None:
    store, profiles, place = laid
    for text in ('{"a":1}', '{"b":2}'):
        store.answer = {"data": {"deviceProfile.json": text}}
        profiles.changed("default", "device-profile-config-edge1")
        wait_for("the file", holds(place, text), within=5)
    store.answer = NotFound("gone")
    profiles.changed("default", "device-profile-config-edge1")
    wait_for("no file", lambda: not place.exists(), within=5)


def test_other_configmaps_and_other_nodes_profiles_are_not_looked_at(laid: tuple[Store, DeviceProfiles, Path]) -> None:
    store, profiles, place = laid
    profiles.changed("default", "web-page")
    profiles.changed("default", "device-profile-config-edge2")
    assert not store.asked.wait(0.05)
    assert not place.exists()


def test_a_store_that_cannot_answer_leaves_the_file_as_it_is(laid: tuple[Store, DeviceProfiles, Path]) -> None:
    store, profiles, place = laid
    store.answer = {"data": {"deviceProfile.json": "{}"}}
    profiles.changed("default", "device-profile-config-edge1")
    wait_for("the file", place.exists, within=5)
    store.answer = NoAnswer("away")
    store.asked.clear()
    profiles.changed("default", "device-profile-config-edge1")
    assert store.asked.wait(5)
    assert place.read_text() == "{}"
