"""docs/write-a-mapper.md: its driver keeps the contract, its entry point names it, its device reaches it."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cloudcore.devicecontroller.profile import profile_text
from mappers.sdk import profile
from mappers.sdk.profile import Device, Property
from mappers.sdk.testkit import DriverContract
from mappers.sdk.values import DataType, Limits
from tests.fakes.crds import schemas

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs/write-a-mapper.md").read_text(), re.DOTALL)
DRIVER, PROOF = (text for language, text in BLOCKS if language == "python")
(SETUP,) = (text for language, text in BLOCKS if language == "ini")
MODEL, DEVICE = (item for language, text in BLOCKS if language == "yaml" for item in yaml.safe_load_all(text))


def shelf(path: Path) -> Device:
    level = Property("level", DataType.INT, True, Limits(1, 100))
    return Device("shelf-01", "shelf", "folder", {"path": str(path)}, (level,), "protocols[0].protocol_config.configData")


PAGE: dict[str, Any] = {"shelf": shelf, "__name__": __name__}
exec(DRIVER + PROOF, PAGE)
TestFolder: type[DriverContract] = PAGE["TestFolder"]


def test_the_entry_point_names_the_driver() -> None:
    setup = configparser.ConfigParser()
    setup.read_string(SETUP)
    name, _, target = setup["options.entry_points"]["bramble.mappers"].strip().partition(" = ")
    assert (name, target) == ("folder", f"{setup['options']['py_modules']}:FolderDriver")
    assert "FolderDriver" in PAGE


@pytest.mark.parametrize("manifest", [MODEL, DEVICE])
def test_the_manifests_fit_the_schema(manifest: dict[str, Any]) -> None:
    jsonschema.validate(manifest, schemas(manifest["kind"])[manifest["apiVersion"].split("/")[1]])


def test_the_device_of_the_page_reaches_the_driver_through_the_cloud(tmp_path: Path) -> None:
    (tmp_path / "level").write_text("7")
    device = json.loads(json.dumps(DEVICE))
    device["spec"]["protocol"]["customizedProtocol"]["configData"]["path"] = str(tmp_path)
    text = profile_text([device], [MODEL])
    assert text is not None
    (found,) = profile.parse(text.encode()).devices
    family = PAGE["FolderDriver"].family()
    assert family.serves(found.protocol)
    driver, (level,), _ = family.driver_for(found)
    driver.open()
    assert driver.read(level) == 7
