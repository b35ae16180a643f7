"""What becomes of a CustomResourceDefinition that is in the cluster already."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from cloudcore.errors import KubeForbidden
from cloudcore.kube.definitions import install, packaged
from cloudcore.kube.ownership import VERSION_ANNOTATION, Fate, Webhook, digest, equipped, fate_of, is_ours, upgraded
from cloudcore.kube.resources import CRDS
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import in_loop

Object = dict[str, Any]
WEBHOOK = Webhook("PEM", "https://127.0.0.1:9443")
DEVICES = "devices.devices.kubeedge.io"


def ours(name: str = DEVICES) -> Object:
    return copy.deepcopy(next(one for one in packaged() if one["metadata"]["name"] == name))


def of_version(version: str | None, **labels: str) -> Object:
    found = equipped(copy.deepcopy(ours()), WEBHOOK)
    found["metadata"]["annotations"] = {} if version is None else {VERSION_ANNOTATION: version}
    if labels:
        found["metadata"]["labels"] = labels
    return found


def kubeedges() -> Object:
    """As KubeEdge 1.23 ships it, in short."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": name, "served": True, "storage": name == "v1beta1", "schema": schema} for name in ("v1alpha2", "v1beta1")]
    return {
        "metadata": {"name": DEVICES, "resourceVersion": "7"},
        "spec": {"group": "devices.kubeedge.io", "scope": "Namespaced", "versions": versions},
    }


def without_version() -> Object:
    """The first one that CloudCore ever installed: v1alpha1 alone, known by its digest."""
    found = copy.deepcopy(ours("objectsyncs.reliablesyncs.kubeedge.io"))
    found["metadata"] = {"name": found["metadata"]["name"]}
    return found


@pytest.mark.parametrize(
    ("there", "fate"),
    [
        (of_version("5"), Fate.KEEP),
        (of_version("1"), Fate.UPGRADE),
        (of_version("6"), Fate.NEWER),
        (of_version("5", other="tool"), Fate.FOREIGN),
        (of_version("much"), Fate.FOREIGN),
        (of_version(None), Fate.FOREIGN),
        (kubeedges(), Fate.FOREIGN),
    ],
)
def test_only_an_older_one_of_ours_is_upgraded(there: Object, fate: Fate) -> None:
    assert fate_of(there, equipped(ours(), WEBHOOK)) is fate


def test_one_from_before_there_were_versions_is_known_by_its_digest() -> None:
    there = without_version()
    assert digest(there) == "aa7536226f60364f"
    assert fate_of(there, ours("objectsyncs.reliablesyncs.kubeedge.io")) is Fate.UPGRADE
    there["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["mine"] = {"type": "string"}
    assert fate_of(there, ours("objectsyncs.reliablesyncs.kubeedge.io")) is Fate.FOREIGN


def test_a_webhook_that_has_moved_is_told_to_the_api() -> None:
    there = of_version("5")
    assert fate_of(there, equipped(ours(), Webhook("PEM", "https://127.0.0.1:9444"))) is Fate.UPGRADE
    assert fate_of(there, equipped(ours(), Webhook("NEW", "https://127.0.0.1:9443"))) is Fate.UPGRADE
    assert fate_of(there, equipped(ours(), Webhook("PEM", service=("kubeedge", "cloudcore")))) is Fate.UPGRADE
    assert fate_of(there, ours()) is Fate.UPGRADE


def test_an_upgrade_leaves_what_others_wrote_beside_it_and_takes_a_webhook_away_that_is_not_there() -> None:
    there = of_version("1")
    there["metadata"] |= {"resourceVersion": "9", "labels": {**there["metadata"]["labels"], "mine": "x"}}
    there["status"] = {"storedVersions": ["v1alpha1"]}
    made = upgraded(there, ours())
    assert made["metadata"]["labels"]["mine"] == "x"
    assert made["metadata"]["annotations"][VERSION_ANNOTATION] == "5"
    assert (made["metadata"]["resourceVersion"], made["status"]) == ("9", there["status"])
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert [version["served"] for version in made["spec"]["versions"]] == [True, False]


def test_a_second_version_is_served_only_with_a_webhook() -> None:
    assert [version["served"] for version in ours()["spec"]["versions"]] == [True, False]
    with_webhook = equipped(ours(), WEBHOOK)["spec"]
    assert [version["served"] for version in with_webhook["versions"]] == [True, True]
    assert with_webhook["conversion"]["webhook"]["clientConfig"] == {"url": "https://127.0.0.1:9443/convert", "caBundle": "UEVN"}
    service = equipped(ours(), Webhook("PEM", service=("kubeedge", "cloudcore")))["spec"]["conversion"]["webhook"]["clientConfig"]
    assert service["service"] == {"namespace": "kubeedge", "name": "cloudcore", "path": "/convert", "port": 443}


def test_all_of_ours_say_whose_they_are_and_of_which_version() -> None:
    assert len(packaged()) == 6
    for one in packaged():
        assert is_ours(one)
        assert one["spec"]["versions"][0]["storage"] is True


def test_whoever_changes_a_definition_raises_its_version_else_no_site_gets_it() -> None:
    """Changed one? Raise its bramble.io/definition-version, and write down here what it is now."""
    found = {one["metadata"]["name"]: (one["metadata"]["annotations"][VERSION_ANNOTATION], digest(one)) for one in packaged()}
    assert found == {
        "devicemodels.devices.kubeedge.io": ("3", "0750eef1ad88d519"),
        "devices.devices.kubeedge.io": ("5", "35c7f58b4bd44ee7"),
        "clusterobjectsyncs.reliablesyncs.kubeedge.io": ("2", "be3576a3b5498c9e"),
        "objectsyncs.reliablesyncs.kubeedge.io": ("2", "aa7536226f60364f"),
        "devicerules.rules.devices.bramble.io": ("1", "977a1fd397fbe564"),
        "nodeupgradejobs.operations.kubeedge.io": ("1", "7be5ee530e4e2c6b"),
    }


@in_loop
async def test_what_is_foreign_or_newer_stays_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    kube = FakeKube()
    kube.put(CRDS, kubeedges())
    newer = equipped(copy.deepcopy(ours("devicemodels.devices.kubeedge.io")), WEBHOOK)
    newer["metadata"]["annotations"][VERSION_ANNOTATION] = "7"
    kube.put(CRDS, newer)
    with caplog.at_level(logging.INFO):
        await install(kube, WEBHOOK)
    assert (await kube.get(CRDS, None, DEVICES))["spec"] == kubeedges()["spec"]
    assert (await kube.get(CRDS, None, "devicemodels.devices.kubeedge.io"))["spec"] == newer["spec"]
    assert "is not of CloudCore (KubeEdge's own?) and stays as it is; it does not serve v1alpha1" in caplog.text
    assert "devicemodels.devices.kubeedge.io is of a newer CloudCore and stays as it is" in caplog.text
    assert "created CustomResourceDefinition objectsyncs.reliablesyncs.kubeedge.io" in caplog.text


@in_loop
async def test_without_the_rights_it_is_said_and_gone_on(caplog: pytest.LogCaptureFixture) -> None:
    kube = FakeKube()
    kube.fail = lambda verb, plural, name: KubeForbidden("forbidden", code=403) if verb == "create" else None
    await install(kube, WEBHOOK)
    assert caplog.text.count("rbac.yaml") == 6
