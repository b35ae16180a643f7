"""What goes into the image of an SD card."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml

from edgecore.firstboot.settings import FirstBoot, settings
from edgecore.firstboot.sources import understand
from images.sdcard import recipe
from images.sdcard.build import FILES, TOP
from images.sdcard.recipe import ARCHES

CONTROL = """\
Source: bramble

Package: bramble-common
Depends: python3 (>= 3.11), ${misc:Depends}, python3-yaml

Package: bramble-edgecore
Depends: bramble-common (= ${binary:Version}), python3-peewee (>= 3.14)
Recommends: crun | runc, podman

Package: bramble-mappers
Recommends: python3-rpi-lgpio | python3-rpi.gpio

Package: bramble-edgesite
Depends: python3-jsonpatch
"""


def test_a_board_gets_what_its_packages_ask_for_and_nothing_of_a_site() -> None:
    found = recipe.packages(ARCHES["armhf"], CONTROL)
    assert {"linux-image-armmp", "python3", "python3-yaml", "python3-peewee", "crun", "podman", "python3-rpi.gpio"} <= set(found)
    assert not {"raspi-firmware", "python3-rpi.gpio"} & set(recipe.packages(ARCHES["amd64"], CONTROL))
    assert not {"runc", "python3-jsonpatch", "bramble-common", "python3-rpi-lgpio", "linux-image-arm64"} & set(found)


def test_the_real_packages_name_nothing_that_could_be_an_option_of_the_builder() -> None:
    found = recipe.packages(ARCHES["arm64"], (TOP / "packaging/debian/control").read_text())
    assert all(name[0].isalnum() and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.+-") for name in found), found


def test_partitions_follow_each_other_on_whole_erase_blocks() -> None:
    table = recipe.partition_table(1 << 30, "89abcdef")
    assert "start=8192, size=1048576, type=c\n" in table
    assert f"start={8192 + 1048576}, size={(1 << 30) // 512}, type=83\n" in table
    assert recipe.ROOT_START % 8192 == 0 and recipe.root_bytes(1_000_000_001) % (4 << 20) == 0


def test_the_security_archive_lies_beside_a_mirror_or_is_left_out() -> None:
    assert recipe.security_mirror("http://mirror.example/debian/") == "http://mirror.example/debian-security"
    assert len(recipe.sources("http://m/debian", "http://m/debian-security")) == 3
    assert recipe.sources("http://m/debian", "") == ["deb http://m/debian trixie main non-free-firmware"]


def test_the_cards_bramble_yaml_is_well_and_asks_for_nothing() -> None:
    text = (FILES / "boot/firmware/bramble.yaml").read_text()
    assert settings(yaml.safe_load(text)) == FirstBoot()
    names = set(yaml.safe_load(text))
    assert names == {"name", "timeZone", "ssh", "wifi", "cloud", "mappers"}
    found = understand({"bramble.yaml": text, "user-data": (FILES / "boot/firmware/user-data").read_text()})
    assert (found.settings, found.problems) == (FirstBoot(), ())


def test_the_units_that_are_enabled_are_there_and_the_join_waits_for_no_network() -> None:
    units = FILES / "etc/systemd/system"
    ours = [name for name in recipe.ENABLED if name.startswith("bramble-")]
    assert ours and all("[Install]" in (units / name).read_text() for name in ours)
    for path in units.rglob("*.service"):
        assert "network-online.target" not in path.read_text()
    assert _unit(units / "bramble-join.service")["Service"]["Type"] == "exec"


def test_inodes_in_use_are_those_that_are_not_listed_as_free() -> None:
    about = "Inode count:              20\n  Free inodes: 14, 16-18\n  Free blocks: 3\n  Free inodes: 20\n  Free inodes: \n"
    assert recipe.used_inodes(about) == [2, 11, 12, 13, 15, 19]


def _unit(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(path)
    return found
