"""What a NodeUpgradeJob may ask of a board (P9.2): every text ends as an argument or an address, so what may stand there is narrow."""

from __future__ import annotations

from typing import Any

import pytest

from viaduct.errors import MalformedPayload
from viaduct.upgrades.task import Package, Task, is_version, read_task, task_spec

DIGEST = "0" * 64
DEB = {"url": "https://site.example:8443/debs/bramble-edgecore_0.2.0_all.deb", "sha256": DIGEST}


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": {"version": "0.2.0"} | fields}


@pytest.mark.parametrize("text", ["0.2.0", "1:0.2.0-1", "0.1.0+next", "0.2.0~rc1", "2", "0.2.0-1~bpo12+1"])
def test_versions_of_debian_packages_are_taken(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v0.2.0",
        "-1",
        "0.2.0 ",
        "0.2.0\n",
        "0.2;reboot",
        "$(reboot)",
        "`id`",
        "0/../1",
        "0.2.0=1",
        "0.2*",
        "1-",
        "latest",
        "0.2\x00",
        "١",
        2,
        None,
    ],
)
def test_nothing_else_is_a_version(text: Any) -> None:
    assert not is_version(text)


def test_a_task_comes_out_of_what_goes_down_as_it_went_in() -> None:
    for task in (Task("0.2.0"), Task("0.2.0", (Package(DEB["url"], DIGEST),), 60, ("cpu", "disk"))):
        assert read_task({"spec": task_spec(task)}) == task


def test_kubeedges_zero_is_the_default() -> None:
    assert read_task(spec(timeoutSeconds=0, upgradeTool="")).timeout == 300


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"version": "0.2.0; reboot"}, "spec.version"),
        ({"upgradeTool": "keadm"}, "spec.upgradeTool"),
        ({"timeoutSeconds": 5}, "spec.timeoutSeconds"),
        ({"timeoutSeconds": True}, "spec.timeoutSeconds"),
        ({"checkItems": ["net"]}, "spec.checkItems"),
        ({"checkItems": "cpu"}, "spec.checkItems"),
        ({"packages": [DEB]}, "spec.packages"),
        ({"upgradeTool": "deb"}, "spec.packages"),
        ({"upgradeTool": "deb", "packages": [DEB] * 17}, "spec.packages"),
        ({"upgradeTool": "deb", "packages": ["x"]}, "spec.packages[0].url"),
        ({"upgradeTool": "deb", "packages": [DEB, DEB | {"url": "file:///etc/shadow.deb"}]}, "spec.packages[1].url"),
        ({"upgradeTool": "deb", "packages": [DEB | {"url": "https://h/a b.deb"}]}, "spec.packages[0].url"),
        ({"upgradeTool": "deb", "packages": [DEB | {"url": "https://h/x.deb\n"}]}, "spec.packages[0].url"),
        ({"upgradeTool": "deb", "packages": [DEB | {"sha256": "0" * 63 + "G"}]}, "spec.packages[0].sha256"),
    ],
)
def test_what_is_no_task_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        read_task(spec(**fields))
    assert refused.value.field == field


@pytest.mark.parametrize("obj", [None, [], "x", {}, {"spec": []}, {"spec": None}, {"spec": {"version": ["0.2.0"]}}])
def test_what_is_no_object_is_refused(obj: Any) -> None:
    with pytest.raises(MalformedPayload):
        read_task(obj)
