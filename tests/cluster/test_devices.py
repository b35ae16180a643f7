"""The claims of tests/system/test_two_versions.py, with the fixtures of this folder: a real API server converts and asks."""

from __future__ import annotations

import pytest

from demo.stage import Failed
from tests.cluster.site import ClusterSite
from tests.system.test_two_versions import *  # noqa: F403
from tests.system.test_two_versions import MANIFEST


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("type: FLOAT", "type: FLUFF", r"spec\.properties.*\.type"),
        ("accessMode: ReadWrite", "accessMode: Sometimes", r"spec\.properties.*\.accessMode"),
        ("collectCycle: 5000", "collectCycle: often", r"spec\.properties.*\.collectCycle"),
        ("protocolName: modbus-tcp", 'protocolName: ""', r"spec\.protocol\.protocolName"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(site: ClusterSite, old: str, new: str, field: str) -> None:
    """In place of the claim of that name: API servers say which element of a list it is from a later version on."""
    text = MANIFEST.read_text()
    assert old in text
    with pytest.raises(Failed, match=field):
        site.kubectl("create", "--validate=false", "-f", "-", stdin=text.replace(old, new).replace("thermometer-", "wrong-"))
    site.kubectl("delete", "devicemodel,device", "wrong-model-2", "wrong-2", "--ignore-not-found")
