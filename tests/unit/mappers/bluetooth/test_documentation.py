"""docs/mappers-bluetooth.md: its manifests pass the CRDs whole and are served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cloudcore.devicecontroller.profile import profile_text
from cloudstub.kinds.schema_shape import prune
from cloudstub.kinds.schema_validate import validate
from mappers.sdk import profile
from tests.fakes.crds import schemas
from tests.unit.mappers.bluetooth.made import simulated

TOP = Path(__file__).parents[4]


def manifests() -> list[dict[str, Any]]:
    text = (TOP / "docs" / "mappers-bluetooth.md").read_text()
    return list(yaml.safe_load_all(text.split("```yaml\n")[1].split("```")[0]))


def test_the_manifests_of_the_page_are_accepted_and_nothing_of_them_is_dropped() -> None:
    model, device = manifests()
    for manifest in (model, device):
        assert validate(schemas(manifest["kind"])["v1alpha1"], manifest) == []
        assert prune(schemas(manifest["kind"])["v1alpha1"], manifest) == manifest


def test_the_manifests_of_the_page_are_served_whole() -> None:
    model, device = manifests()
    read = profile.parse((profile_text([device], [model]) or "").encode())
    assert read.problems == ()
    driver, properties, problems = simulated().driver_for(read.devices[0])
    assert problems == ()
    assert [wanted.name for wanted in properties] == ["battery", "temperature", "fan", "brightness", "humidity"]
    driver.open()
    assert [driver.read(wanted) for wanted in properties[:4]] == [20, 20, "OFF", 20]
    driver.close()
