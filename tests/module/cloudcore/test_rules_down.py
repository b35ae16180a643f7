"""Which DeviceRules boards are owed, and what they say of them (P8.3, P8.6), on a fake API server with real informers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudcore.edgecontroller import service
from cloudcore.errors import Denied, KubeUnreachable, Refused
from cloudcore.kube.resources import DEVICE_RULES, EVENTS, PODS
from tests.fakes.downlink import until
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream

KEY = "default/devicerule/cool"


def rule(*nodes: str, when: str = "sensor.t > 30", **status: Any) -> dict[str, Any]:
    expression = {"key": "", "operator": "In", "values": list(nodes)}
    spec = {
        "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]},
        "when": when,
        "then": [{"device": "fan", "property": "power", "value": "on"}],
    }
    return {"metadata": {"name": "cool", "namespace": "default"}, "spec": spec} | ({"status": status} if status else {})


def put(at: Cloud, obj: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = at.kube.put(DEVICE_RULES, obj)
    return made


def said_by(at: Cloud, uid: str, **status: Any) -> Any:
    return upstream("default/devicerulestatus/cool", {"uid": uid, "status": {"state": "Waiting", "fired": 0} | status}, source="rules")


async def uid_of(at: Cloud) -> str:
    return str((await at.kube.get(DEVICE_RULES, "default", "cool"))["metadata"]["uid"])


async def told(at: Cloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await at.kube.get(DEVICE_RULES, "default", "cool")).get("status", {}).get("nodes", [])
    return found


def held(at: Cloud, node: str) -> set[str]:
    return {key for key, _, _ in at.edge.holdings(node)}


@in_loop
async def test_a_rule_goes_to_the_nodes_that_it_names_and_leaves_those_that_it_names_no_more() -> None:
    async with cloud("edge1", "edge2", "edge3") as at:
        put(at, rule("edge1", "edge2"))
        await until(lambda: len(at.hub.offers) == 2)
        assert (held(at, "edge1"), held(at, "edge2"), held(at, "edge3")) == ({KEY}, {KEY}, set())
        put(at, rule("edge2", "edge3"))
        await until(lambda: held(at, "edge3") == {KEY} and held(at, "edge1") == set())
        assert at.hub.said("edge1") == [("insert", KEY), ("delete", KEY)]
        assert at.hub.said("edge2") == [("insert", KEY), ("update", KEY)]
        assert at.hub.said("edge3") == [("insert", KEY)]
        await at.kube.delete(DEVICE_RULES, "default", "cool", grace_seconds=0)
        await until(lambda: ("delete", KEY) in at.hub.said("edge3"))
        assert at.edge.owed_one("edge2", KEY) is None


@in_loop
async def test_what_a_node_says_stands_under_its_name_and_does_not_go_down_again() -> None:
    async with cloud("edge1", "edge2") as at:
        put(at, rule("edge1", "edge2"))
        await until(lambda: len(at.hub.offers) == 2)
        uid = await uid_of(at)
        version = at.edge.holding("edge1", KEY)
        await at.edge.take("edge1", said_by(at, uid, state="Fired", lastFired="2020-05-01T12:00:00Z", fired=1))
        await at.edge.take("edge2", said_by(at, uid))
        assert await told(at) == [
            {"name": "edge1", "state": "Fired", "lastFired": "2020-05-01T12:00:00Z", "fired": 1},
            {"name": "edge2", "state": "Waiting", "fired": 0},
        ]
        await until(lambda: len((at.edge._downstream.rules.rule("default", "cool") or {}).get("status", {}).get("nodes", [])) == 2)
        assert at.edge.holding("edge1", KEY) == version
        assert len(at.hub.offers) == 2
        assert "status" not in at.edge.owed_one("edge1", KEY).message.content  # type: ignore[union-attr]


@in_loop
async def test_an_error_is_an_event_once() -> None:
    async with cloud("edge1") as at:
        put(at, rule("edge1"))
        await until(lambda: at.hub.offers)
        uid = await uid_of(at)
        for _ in range(3):
            await at.edge.take("edge1", said_by(at, uid, state="Setting", error="fan.power: this node has no device 'fan'"))
        events = [obj for (plural, _, _), obj in at.kube.objects.items() if plural == EVENTS.plural]
        assert [(event["reason"], event["message"], event["involvedObject"]["uid"]) for event in events] == [
            ("ActionRefused", "fan.power: this node has no device 'fan'", uid)
        ]


@in_loop
async def test_a_node_speaks_of_the_rules_that_it_has_alone() -> None:
    async with cloud("edge1", "edge2") as at:
        put(at, rule("edge1"))
        await until(lambda: at.hub.offers)
        uid = await uid_of(at)
        with pytest.raises(Denied):
            await at.edge.take("edge2", said_by(at, uid))
        with pytest.raises(Refused, match="is gone"):
            await at.edge.take("edge1", said_by(at, "another"))
        for content in ("[]", {"uid": uid}, {"uid": uid, "status": {"state": 3}}, {"uid": uid, "status": {"state": "x", "since": "now"}}):
            with pytest.raises(Refused):
                await at.edge.take("edge1", upstream("default/devicerulestatus/cool", json.loads(json.dumps(content)), source="rules"))


@in_loop
async def test_a_cluster_that_does_not_let_rules_be_listed_keeps_pods_going_and_boards_keep_their_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "RULES_PATIENCE", 0.05)
    kube = FakeKube()
    kube.fail = lambda verb, plural, name: KubeUnreachable("forbidden") if plural == "devicerules" else None
    async with cloud("edge1", kube=kube) as at:
        kube.put(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "edge1"}})
        await until(lambda: held(at, "edge1") == {"default/pod/web"})
        assert at.edge.removal("edge1", KEY, "u") is None
        assert at.edge.removal("edge1", "default/pod/x", "u") is not None
