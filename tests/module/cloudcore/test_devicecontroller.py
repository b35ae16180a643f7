"""DeviceController on a fake API server: devices down, values up, profiles for mappers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cloudcore.devicecontroller.translate import DESIRED_ANNOTATION
from cloudcore.errors import KubeConflict, KubeError, KubeForbidden, KubeUnreachable, Refused
from cloudcore.kube.resources import CONFIGMAPS, DEVICE_MODELS, DEVICES, EVENTS
from tests.fakes.downlink import until
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream
from tests.unit.cloudcore.devicecontroller.devices import device, model, selector, twin
from viaduct.message import Message
from viaduct.profile import FILE

KEY = "device/thermometer"


def edge_updated(value: str, prop: str = "temperature", name: str = "thermometer") -> Message:
    content = {"event_id": "", "timestamp": 1, "twin": {prop: {"actual": {"value": value, "metadata": {"timestamp": 5}}, "metadata": {}}}}
    return upstream(f"device/{name}/twin/edge_updated", content, source="twin", group="resource")


def live(kube: FakeKube, name: str = "thermometer", namespace: str = "default") -> dict[str, Any]:
    found = kube.peek(DEVICES, namespace, name)
    assert found is not None
    return found


def values(kube: FakeKube, side: str) -> dict[str, str]:
    return {entry["propertyName"]: entry[side]["value"] for entry in live(kube)["status"]["twins"] if side in entry}


async def desire(kube: FakeKube, value: str) -> None:
    """``kubectl patch`` of the first twin's desired value."""
    while True:
        current = await kube.get(DEVICES, "default", "thermometer")
        current["status"]["twins"][0]["desired"]["value"] = value
        try:
            await kube.update(DEVICES, "default", current)
            return
        except KubeConflict:
            continue


def sent(at: Cloud, index: int = -1) -> dict[str, Any]:
    content: dict[str, Any] = at.hub.offers[index][1].message.content
    return content


@in_loop
async def test_a_device_goes_to_its_node_and_goes_away_again() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "20")]))
        await until(lambda: at.hub.offers)
        assert sent(at)["added_devices"][0]["twin"]["temperature"]["expected"]["value"] == "20"
        moved = live(at.kube) | {"spec": device()["spec"] | {"nodeSelector": selector("edge2")}}
        at.kube.put(DEVICES, moved)
        await until(lambda: len(at.hub.offers) == 3)
        assert [(to, owed.removal) for to, owed in at.hub.offers[1:]] == [("edge2", False), ("edge1", True)]
        await at.kube.delete(DEVICES, "default", "thermometer")
        await until(lambda: len(at.hub.offers) == 4)
        assert at.hub.said("edge2") == [("update", KEY), ("remove", KEY)]


@in_loop
async def test_a_new_wish_goes_down_and_a_reported_value_does_not() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "20")]))
        await until(lambda: at.hub.offers)
        await at.device.take("edge1", edge_updated("19"))
        await desire(at.kube, "25")
        await until(lambda: len(at.hub.offers) == 2)
        assert sent(at)["added_devices"][0]["twin"]["temperature"]["expected"]["value"] == "25"
        await at.device.take("edge1", edge_updated("24"))
        await until(lambda: at.device._devices.get("default", "thermometer") == live(at.kube))
        assert len(at.hub.offers) == 2
        assert (values(at.kube, "desired"), values(at.kube, "reported")) == ({"temperature": "25"}, {"temperature": "24"})


@in_loop
async def test_a_value_set_on_the_board_changes_no_wish_and_the_next_wish_starts_the_boards_version_anew() -> None:
    """P6.3: at the other end the newer cloud version wins (tests/unit/edgecore/devicetwin/test_sync.py)."""
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "20")]))
        await until(lambda: at.hub.offers)
        first = sent(at)["added_devices"][0]["twin"]["temperature"]["expected_version"]
        set_there = {"expected": {"value": "99"}, "expected_version": {"cloud": first["cloud"], "edge": 4}, "metadata": {"type": "string"}}
        for entry in (set_there, set_there | {"actual": {"value": "99"}}):
            said = upstream("device/thermometer/twin/edge_updated", {"twin": {"temperature": entry}}, source="twin", group="resource")
            await at.device.take("edge1", said)
        assert (values(at.kube, "desired"), values(at.kube, "reported")) == ({"temperature": "20"}, {"temperature": "99"})
        assert len(at.hub.offers) == 1
        await desire(at.kube, "25")
        await until(lambda: len(at.hub.offers) == 2)
        second = sent(at)["added_devices"][0]["twin"]["temperature"]["expected_version"]
        assert second["cloud"] > first["cloud"] and second["edge"] == 0


@in_loop
async def test_a_cloudcore_that_starts_again_takes_reports_for_no_new_wish() -> None:
    kube = FakeKube()
    async with cloud("edge1", kube=kube) as at:
        kube.put(DEVICES, device(twins=[twin("temperature", "20")]))
        await until(lambda: at.hub.offers)
        version = at.hub.offers[0][1].version
        for number in range(5):
            await at.device.take("edge1", edge_updated(str(number)))
    async with cloud("edge1", kube=kube) as at:
        assert [held for _, _, held in at.device.holdings("edge1")] == [version]
        await desire(kube, "25")
        await until(lambda: [held for _, _, held in at.device.holdings("edge1")] != [version])
        await desire(kube, "20")
        await until(lambda: values(kube, "desired") == {"temperature": "20"} and len(at.hub.offers) >= 3)
        newest = at.hub.offers[-1][1].version
        await until(lambda: live(kube)["metadata"]["annotations"][DESIRED_ANNOTATION].startswith(f"{newest}:"))
        assert int(newest) > int(version)
    async with cloud("edge1", kube=kube) as at:
        assert [held for _, _, held in at.device.holdings("edge1")] == [newest]


@in_loop
async def test_no_wish_of_a_user_is_lost_among_reports() -> None:
    """1,000 reports while the user patches: every patch that the API accepted is still there when the next one is made."""
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "0"), twin("other", "x")]))
        await until(lambda: at.hub.offers)
        lost: list[str] = []

        async def patch_all() -> None:
            for number in range(1, 251):
                await desire(at.kube, str(number))
                await asyncio.sleep(0)
                if values(at.kube, "desired")["temperature"] != str(number):
                    lost.append(str(number))

        async def report_all() -> None:
            for number in range(1000):
                await at.device.take("edge1", edge_updated(str(number)))

        await asyncio.gather(patch_all(), report_all())
        assert lost == []
        assert values(at.kube, "desired") == {"temperature": "250", "other": "x"}
        assert values(at.kube, "reported") == {"temperature": "999"}


@in_loop
async def test_the_last_of_two_values_in_quick_succession_wins_1000_times() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "0")]))
        await until(lambda: at.hub.offers)
        wrong = 0
        for number in range(1000):
            first, second = edge_updated(f"{number}-a"), edge_updated(f"{number}-b")
            await asyncio.gather(at.device.take("edge1", first), at.device.take("edge1", second))
            wrong += values(at.kube, "reported") != {"temperature": f"{number}-b"}
        assert wrong == 0


@in_loop
async def test_reports_that_queue_up_share_a_write() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin(f"p{n}") for n in range(50)]))
        await until(lambda: at.hub.offers)
        before = at.kube.written("devices")
        await asyncio.gather(*(at.device.take("edge1", edge_updated(str(n), f"p{n}")) for n in range(50)))
        assert values(at.kube, "reported") == {f"p{n}": str(n) for n in range(50)}
        assert at.kube.written("devices") - before <= 3


@pytest.mark.parametrize("error", [KubeUnreachable("away"), KubeForbidden("the rules are not read yet", code=403)])
def test_a_report_that_the_api_did_not_take_is_not_acknowledged_and_the_next_one_is_written(error: KubeError) -> None:
    @in_loop
    async def scenario() -> None:
        async with cloud("edge1") as at:
            at.kube.put(DEVICES, device(twins=[twin("temperature")]))
            await until(lambda: at.hub.offers)
            at.kube.fail = lambda verb, plural, name: error if verb == "update" else None
            with pytest.raises(type(error)):
                await at.device.take("edge1", edge_updated("1"))
            at.kube.fail = lambda verb, plural, name: None
            await at.device.take("edge1", edge_updated("2"))
            assert values(at.kube, "reported") == {"temperature": "2"}

    scenario()


@in_loop
async def test_a_property_of_the_model_that_the_user_did_not_list_is_added() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICE_MODELS, model())
        at.kube.put(DEVICES, device())
        await until(lambda: at.hub.offers and at.device._models.get("default", "thermo"))
        await at.device.take("edge1", edge_updated("21"))
        await at.device.take("edge1", edge_updated("1", "stranger"))
        assert values(at.kube, "reported") == {"temperature": "21"}


@in_loop
async def test_a_state_is_written_beside_the_twins() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature")]))
        await until(lambda: at.hub.offers)
        content = json.dumps(
            {"event_id": "", "timestamp": 1, "device": {"name": "t", "state": "online", "last_online": "2020-01-01 10:00:00"}}
        )
        await at.device.take("edge1", upstream(f"{KEY}/state", content, source="twin"))
        assert (live(at.kube)["status"]["state"], live(at.kube)["status"]["lastOnlineTime"]) == ("online", "1970-01-01T00:00:00Z")


@in_loop
async def test_an_unknown_device_is_refused_and_taken_away() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(DEVICES, device(node="edge2"))
        await until(lambda: at.hub.offers)
        with pytest.raises(Refused) as refused:
            await at.device.take("edge1", edge_updated("1"))
        assert refused.value.code == 404
        assert at.hub.said("edge1") == [("remove", KEY)]
        assert values(at.kube, "reported") == {}


@pytest.mark.parametrize(
    ("resource", "content", "operation"),
    [
        ("device", {}, "update"),
        ("device/thermometer", {}, "update"),
        ("device/ther mometer/state", {}, "update"),
        ("device/thermometer/twin/edge_updated", "{half", "update"),
        ("device/thermometer/twin/edge_updated", {"twin": 3}, "update"),
        ("device/thermometer/twin/edge_updated", {"twin": {}}, "delete"),
        ("device/thermometer/twin/cloud_updated", {"twin": {}}, "update"),
        ("device/thermometer/state", {"device": {}}, "update"),
        ("membership", {}, "update"),
    ],
)
def test_garbage_is_refused_and_changes_nothing(resource: str, content: Any, operation: str) -> None:
    @in_loop
    async def refuses() -> None:
        async with cloud("edge1") as at:
            at.kube.put(DEVICES, device(twins=[twin("temperature")]))
            await until(lambda: at.hub.offers)
            with pytest.raises(Refused):
                await at.device.take("edge1", upstream(resource, content, operation=operation, source="twin"))
            assert at.kube.written("devices") == 0

    refuses()


@in_loop
async def test_a_device_without_a_usable_node_is_explained_to_its_owner() -> None:
    async with cloud("edge1") as at:
        broken = device()
        broken["spec"]["nodeSelector"] = {"nodeSelectorTerms": []}
        at.kube.put(DEVICES, broken)
        nowhere = device("nowhere")
        del nowhere["spec"]["nodeSelector"]
        at.kube.put(DEVICES, nowhere)
        at.kube.put(DEVICES, device("good"))
        await until(lambda: any(plural == "events" for plural, _, _ in at.kube.objects))
        await until(lambda: at.hub.said("edge1") == [("update", "device/good")])
        (event,) = [obj for (plural, _, _), obj in at.kube.objects.items() if plural == EVENTS.plural]
        assert (event["reason"], event["involvedObject"]["name"]) == ("MalformedNodeSelector", "thermometer")


@in_loop
async def test_a_desired_value_that_the_model_does_not_allow_is_told_to_the_owner_whichever_of_both_comes_first() -> None:
    async with cloud("edge1") as at:
        properties = [{"name": "temperature", "type": {"int": {"accessMode": "ReadWrite", "minimum": 0, "maximum": 30}}}]
        at.kube.put(DEVICE_MODELS, model(properties=properties))
        at.kube.put(DEVICES, device(twins=[twin("temperature", "99")]))
        at.kube.put(DEVICES, device("late", model="later", twins=[twin("temperature", "98")]))

        def told() -> dict[str, str]:
            events = [obj for (plural, _, _), obj in at.kube.objects.items() if plural == EVENTS.plural]
            return {event["involvedObject"]["name"]: event["message"] for event in events if event["reason"] == "DesiredNotAllowed"}

        await until(lambda: "thermometer" in told())
        assert "late" not in told()
        at.kube.put(DEVICE_MODELS, model("later", properties=properties))
        await until(lambda: "late" in told())
        assert told()["late"].endswith("'98': model later allows a number from 0 to 30; the node refuses it")


@in_loop
async def test_two_devices_of_one_name_on_one_node_are_told_apart_and_one_is_refused() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(namespace="a", twins=[twin("t", "1")], creationTimestamp="2020-01-01T00:00:00Z"))
        at.kube.put(DEVICES, device(namespace="b", twins=[twin("t", "2")], creationTimestamp="2020-01-02T00:00:00Z"))
        await until(lambda: any(plural == "events" for plural, _, _ in at.kube.objects))
        assert [entry["namespace"] for entry in at.device.owed_one("edge1", "device/thermometer").message.content["added_devices"]] == ["a"]
        await at.device.take("edge1", edge_updated("9", "t"))
        assert live(at.kube, namespace="a")["status"]["twins"][0]["reported"]["value"] == "9"
        assert "reported" not in live(at.kube, namespace="b")["status"]["twins"][0]
        await at.kube.delete(DEVICES, "a", "thermometer")
        await until(lambda: sent(at)["added_devices"] and sent(at)["added_devices"][0]["namespace"] == "b")


@in_loop
async def test_a_question_for_all_devices_is_answered() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("t", "1")]))
        await until(lambda: at.hub.offers)
        request = upstream("membership/detail", "{}", operation="get", source="twin")
        answer = await at.device.take("edge1", request)
        assert answer is not None
        assert (answer.route.source, answer.route.group, answer.header.parent_msg_id) == ("devicecontroller", "twin", request.id)
        assert [entry["id"] for entry in answer.content["devices"]] == ["thermometer"]


def profile(at: Cloud, namespace: str = "default") -> dict[str, Any] | None:
    found = at.kube.peek(CONFIGMAPS, namespace, "device-profile-config-edge1")
    parsed: dict[str, Any] | None = json.loads(found["data"][FILE]) if found else None
    return parsed


@in_loop
async def test_the_profile_follows_devices_and_models() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device())
        await until(lambda: at.hub.offers)
        at.kube.put(DEVICE_MODELS, model())
        await until(lambda: profile(at))
        at.kube.put(DEVICES, device("second", protocol={"bluetooth": {"macAddress": "AA"}}))
        await until(lambda: len((profile(at) or {})["deviceInstances"]) == 2)
        changed = model(properties=[{"name": "humidity", "type": {"int": {"accessMode": "ReadOnly"}}}])
        at.kube.put(DEVICE_MODELS, changed)
        await until(lambda: (profile(at) or {})["deviceModels"][0]["properties"][0]["name"] == "humidity")
        await at.kube.delete(DEVICES, "default", "thermometer")
        await until(lambda: [entry["id"] for entry in (profile(at) or {})["deviceInstances"]] == ["second"])
        await at.kube.delete(DEVICES, "default", "second")
        await until(lambda: profile(at) is None)


@in_loop
async def test_devices_of_two_namespaces_have_a_profile_each() -> None:
    async with cloud("edge1") as at:
        for namespace in ("a", "b"):
            at.kube.put(DEVICE_MODELS, model(namespace=namespace))
            at.kube.put(DEVICES, device(f"of-{namespace}", namespace=namespace))
        await until(lambda: profile(at, "a") and profile(at, "b"))
        assert [entry["id"] for entry in (profile(at, "a") or {})["deviceInstances"]] == ["of-a"]


@in_loop
async def test_a_profile_that_somebody_deletes_or_spoils_is_mended() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICE_MODELS, model())
        at.kube.put(DEVICES, device())
        await until(lambda: profile(at))
        await at.kube.delete(CONFIGMAPS, "default", "device-profile-config-edge1")
        await until(lambda: profile(at))
        spoiled = at.kube.peek(CONFIGMAPS, "default", "device-profile-config-edge1") or {}
        at.kube.put(CONFIGMAPS, spoiled | {"data": {FILE: "{}", "other": "mine"}})
        await until(lambda: profile(at))
        assert (at.kube.peek(CONFIGMAPS, "default", "device-profile-config-edge1") or {})["data"]["other"] == "mine"


@in_loop
async def test_a_profile_that_may_not_be_written_yet_is_written_later() -> None:
    """An API server that starts refuses everything until it has read its rules."""
    async with cloud("edge1") as at:
        refusals = iter([KubeForbidden("not yet", code=403)] * 2)
        at.kube.fail = lambda verb, plural, name: next(refusals, None) if plural == "configmaps" else None
        at.kube.put(DEVICE_MODELS, model())
        at.kube.put(DEVICES, device())
        await until(lambda: profile(at))


@in_loop
async def test_a_restart_writes_no_profile_that_is_right_and_deletes_what_nobody_needs() -> None:
    kube = FakeKube()
    async with cloud(kube=kube) as at:
        kube.put(DEVICE_MODELS, model())
        kube.put(DEVICES, device())
        await until(lambda: profile(at))
    before = kube.written("configmaps")
    async with cloud(kube=kube) as at:
        await until(lambda: not at.device._profiles._marked)
        await asyncio.sleep(0.1)
        assert kube.written("configmaps") == before
    del kube.objects["devices", "default", "thermometer"]
    foreign = {"metadata": {"name": "device-profile-config-edge9", "namespace": "default"}, "data": {FILE: "{}"}}
    kube.put(CONFIGMAPS, foreign)
    async with cloud(kube=kube) as at:
        await until(lambda: profile(at) is None)
        assert kube.peek(CONFIGMAPS, "default", "device-profile-config-edge9") is not None


@in_loop
async def test_a_report_does_not_touch_the_profile() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICE_MODELS, model())
        at.kube.put(DEVICES, device(twins=[twin("temperature")]))
        await until(lambda: profile(at))
        at.device._profiles._marked.clear()
        await at.device.take("edge1", edge_updated("5"))
        await until(lambda: at.device._devices.get("default", "thermometer") == live(at.kube))
        assert at.device._profiles._marked == {}


@in_loop
async def test_a_merge_patch_of_the_wishes_loses_no_reported_value_and_no_twin_of_the_node() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICE_MODELS, model(properties=[{"name": "temperature"}, {"name": "target"}]))
        at.kube.put(DEVICES, device(twins=[twin("target", "20")]))
        await until(
            lambda: "device/thermometer" in dict(map(reversed, at.hub.said("edge1"))) and at.device._models.get("default", "thermo")
        )
        await at.device.take("edge1", edge_updated("19", "target"))
        await at.device.take("edge1", edge_updated("18", "temperature"))
        current = await at.kube.get(DEVICES, "default", "thermometer")
        await at.kube.update(DEVICES, "default", current | {"status": {"twins": [twin("target", "25")]}})
        await until(lambda: values(at.kube, "reported") == {"target": "19", "temperature": "18"})
        assert values(at.kube, "desired") == {"target": "25"}
        await until(lambda: sent(at)["added_devices"][0]["twin"]["target"]["expected"]["value"] == "25")
        assert all(set(owed.message.content["added_devices"][0]["twin"]) == {"target"} for _, owed in at.hub.offers if owed.key == KEY)


@in_loop
async def test_the_last_value_wins_also_while_a_user_replaces_the_list_of_twins() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("temperature", "0")]))
        await until(lambda: at.hub.offers)
        for number in range(200):
            current = await at.kube.get(DEVICES, "default", "thermometer")
            replaced = current | {"status": {"twins": [twin("temperature", str(number))]}}
            try:
                await at.kube.update(DEVICES, "default", replaced)
            except KubeConflict:
                pass
            await at.device.take("edge1", edge_updated(f"v{number}"))
        await until(lambda: at.device._devices.get("default", "thermometer") == live(at.kube) and not at.device._upstream._writers)
        assert values(at.kube, "reported") == {"temperature": "v199"}


@in_loop
async def test_a_device_that_no_schema_has_checked_spoils_no_other_profile() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICE_MODELS, model("odd", properties=[{"name": "x", "type": {"int": {"accessMode": {1, 2}}}}]))
        at.kube.put(DEVICES, device("odd", node="edge2", model="odd"))
        at.kube.put(DEVICE_MODELS, model())
        at.kube.put(DEVICES, device())
        await until(lambda: profile(at))
        assert at.kube.peek(CONFIGMAPS, "default", "device-profile-config-edge2") is None
