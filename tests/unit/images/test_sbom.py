"""The bill of materials names every installed package, and what is carried beside Debian's."""

from __future__ import annotations

import json
import uuid

from images.sdcard.build import TOP
from images.sdcard.sbom import bill

STATUS = """\
Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <x@example.org>
Architecture: arm64
Source: glibc (2.41-1)
Version: 2.41-1+b1

Package: gone
Status: deinstall ok config-files
Maintainer: M
Architecture: all
Version: 1

Package: bramble-edgecore
Status: install ok installed
Maintainer: Bramble
Architecture: all
Version: 1:0.1.0
"""


def test_installed_packages_and_carried_ones_are_listed_with_their_sources() -> None:
    carried = (TOP / "packaging/debian/carried.txt").read_text()
    made = json.loads(bill("image", "0.1.0", STATUS, carried, arch="arm64", serial=uuid.UUID(int=1), epoch=0))
    by_name = {component["name"]: component for component in made["components"]}
    assert "gone" not in by_name
    assert by_name["libc6"]["purl"] == "pkg:deb/debian/libc6@2.41-1%2Bb1?arch=arm64"
    assert {"name": "debian:source-version", "value": "2.41-1"} in by_name["libc6"]["properties"]
    assert by_name["bramble-edgecore"]["purl"] == "pkg:deb/bramble/bramble-edgecore@1%3A0.1.0?arch=all"
    assert len(by_name["podman"]["hashes"][0]["content"]) == 64
    assert (made["bomFormat"], made["metadata"]["timestamp"]) == ("CycloneDX", "1970-01-01T00:00:00Z")


def test_the_same_image_has_the_same_bill() -> None:
    first, second = (bill("i", "1", STATUS, "", arch="arm64", serial=uuid.UUID(int=1), epoch=5) for _ in range(2))
    assert first == second
