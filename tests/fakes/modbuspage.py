"""docs/mappers-modbus.md: its manifests, and the profile that CloudCore makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cloudcore.devicecontroller.profile import profile_text

PAGE = Path(__file__).parents[2] / "docs" / "mappers-modbus.md"


def manifests() -> list[dict[str, Any]]:
    blocks = PAGE.read_text().split("```yaml\n")[1:]
    return [manifest for block in blocks for manifest in yaml.safe_load_all(block.split("```")[0])]


def profile(**replaced: str) -> bytes:
    """``replaced``: texts of the page and what stands for them here."""
    found = manifests()
    devices = [each for each in found if each["kind"] == "Device"]
    text = profile_text(devices, [each for each in found if each["kind"] == "DeviceModel"]) or ""
    for name, value in replaced.items():
        text = text.replace({"port": "/dev/ttyUSB0", "parity": "even"}[name], value)
    return text.encode()
