"""Devices in both versions on a real cloudstub, converted by CloudCore's own webhook."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudcore.errors import KubeInvalid
from cloudcore.kube.client import KubeClient
from cloudcore.kube.resources import CONFIGMAPS, CRDS, DEVICE_MODELS, DEVICES, VALIDATING_WEBHOOKS, Resource
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import eventually, gone, hear_of, world
from tests.fakes.edge import report, runs

DEVICES_V1BETA1 = Resource("devices.kubeedge.io", "v1beta1", "devices", "Device")
MODELS_V1BETA1 = Resource("devices.kubeedge.io", "v1beta1", "devicemodels", "DeviceModel")
EXAMPLES = Path(__file__).parents[3] / "examples"


def examples(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


async def profile(kube: KubeClient) -> dict[str, Any]:
    found = await eventually(lambda: kube.get(CONFIGMAPS, "default", "device-profile-config-edge1"))
    loaded: dict[str, Any] = json.loads(found["data"]["deviceProfile.json"])
    return loaded


@runs
async def test_a_device_that_is_written_in_v1beta1_works_all_the_way() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        model, device = examples("thermometer-v1beta1.yaml")
        await kube.create(MODELS_V1BETA1, "default", model)
        written = await kube.create(DEVICES_V1BETA1, "default", device)
        assert written["spec"] == device["spec"]
        down = await hear_of(edge, "membership")
        twins = down.content["added_devices"][0]["twin"]
        assert {name: twin["expected"]["value"] for name, twin in twins.items()} == {"temperature": "", "setpoint": "180"}
        told = await profile(kube)
        assert told["deviceInstances"] == [
            {
                "id": "thermometer-2",
                "name": "thermometer-2",
                "protocol": "modbus-tcp-thermometer-2",
                "model": "thermometer-model-2/thermometer-2",
                "data": {
                    "dataProperties": [{"metadata": {"collectCycle": "5000"}, "propertyName": "temperature"}],
                    "dataTopic": "$ke/events/device/+/data/update",
                },
            }
        ]
        assert told["protocols"][0]["protocol_config"] == {"ip": "127.0.0.1", "port": 5020, "slaveID": "1"}
        assert [(one["name"], one["dataType"]) for one in told["deviceModels"][0]["properties"]] == [
            ("temperature", "float"),
            ("setpoint", "int"),
        ]
        assert told["propertyVisitors"][0]["collectCycle"] == 5000
        assert told["propertyVisitors"][0]["visitorConfig"] == {"register": "HoldingRegister", "limit": 1, "scale": 0.1}

        actual = {"value": "21.5", "metadata": {"timestamp": 1577880000000}}
        content = {"event_id": "e", "timestamp": 1, "twin": {"temperature": {"actual": actual, "metadata": {"type": "float"}}}}
        said = await edge.say(report("device/thermometer-2/twin/edge_updated", source="twin", group="resource", content=content))
        while (answer := await edge.hear()).header.parent_msg_id != said.id:
            await edge.acknowledge(answer)
        shown = await kube.get(DEVICES_V1BETA1, "default", "thermometer-2")
        assert shown["status"]["twins"] == [
            {"propertyName": "temperature", "reported": {"value": "21.5", "metadata": {"timestamp": "1577880000000", "type": "float"}}}
        ]
        assert shown["spec"] == device["spec"]

        shown["spec"]["properties"][1]["desired"]["value"] = "190"
        await kube.update(DEVICES_V1BETA1, "default", shown)
        wish = await hear_of(edge, "membership")
        assert wish.content["added_devices"][0]["twin"]["setpoint"]["expected"]["value"] == "190"
        await kube.delete(DEVICES_V1BETA1, "default", "thermometer-2")
        assert await eventually(lambda: gone(kube, CONFIGMAPS, "default", "device-profile-config-edge1"))


@runs
async def test_what_was_written_in_v1alpha1_can_be_read_and_changed_in_v1beta1() -> None:
    async with world() as (_, kube):
        model, device = examples("thermometer-model.yaml")[0], examples("thermometer.yaml")[0]
        await kube.create(DEVICE_MODELS, "default", model)
        stored = await kube.create(DEVICES, "default", device)
        shown = await kube.get(DEVICES_V1BETA1, "default", "thermometer")
        assert shown["spec"]["nodeName"] == "edge1"
        assert shown["spec"]["protocol"] == {"protocolName": "modbus-tcp", "configData": {"ip": "127.0.0.1", "port": 5020, "slaveID": "1"}}
        assert [one["name"] for one in shown["spec"]["properties"]] == ["temperature", "setpoint", "fan", "humidity"]
        shown_model = await kube.get(MODELS_V1BETA1, "default", "thermometer-model")
        assert shown_model["spec"]["properties"][1]["maximum"] == "350"
        shown["spec"]["nodeName"] = "edge2"
        await kube.update(DEVICES_V1BETA1, "default", shown)
        changed = await kube.get(DEVICES, "default", "thermometer")
        assert changed["spec"]["nodeSelector"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["edge2"]
        assert changed["spec"]["protocol"] == stored["spec"]["protocol"]
        assert changed["status"] == stored["status"]


@runs
async def test_a_model_or_device_that_cannot_be_is_refused_by_the_field_in_both_versions() -> None:
    async with world() as (_, kube):
        model = examples("thermometer-v1beta1.yaml")[0]
        model["spec"]["properties"][0]["type"] = "FLUFF"
        with pytest.raises(KubeInvalid, match=r"422 .*spec\.properties\[0\]\.type"):
            await kube.create(MODELS_V1BETA1, "default", model)
        old = examples("thermometer-model.yaml")[0]
        old["spec"]["properties"][0]["type"]["string"] = {"accessMode": "ReadOnly"}
        with pytest.raises(KubeInvalid, match=r"422 .*spec\.properties\[0\]\.type"):
            await kube.create(DEVICE_MODELS, "default", old)
        device = examples("thermometer-v1beta1.yaml")[1]
        device["spec"]["properties"][0]["visitors"] = {"configData": {}}
        with pytest.raises(KubeInvalid, match=r"422 .*spec\.properties\[0\]\.visitors\.protocolName"):
            await kube.create(DEVICES_V1BETA1, "default", device)


@runs
async def test_a_property_that_is_there_twice_is_refused_in_v1beta1_as_kubeedge_does_and_the_place_is_named() -> None:
    async with world() as (_, kube):
        model, device = examples("thermometer-v1beta1.yaml")
        model["spec"]["properties"].append(dict(model["spec"]["properties"][0]))
        last = len(model["spec"]["properties"]) - 1
        with pytest.raises(KubeInvalid, match=rf"422 .*spec\.properties\[{last}\].*Duplicate"):
            await kube.create(MODELS_V1BETA1, "default", model)
        device["spec"]["properties"].append(dict(device["spec"]["properties"][0]))
        last = len(device["spec"]["properties"]) - 1
        with pytest.raises(KubeInvalid, match=rf"422 .*spec\.properties\[{last}\].*Duplicate"):
            await kube.create(DEVICES_V1BETA1, "default", device)


@runs
async def test_a_cloudcore_that_starts_again_elsewhere_tells_the_api_where_its_webhooks_are() -> None:
    async with world() as (made, kube):
        await kube.create(DEVICES, "default", examples("thermometer.yaml")[0])
        before = await kube.get(CRDS, None, "devices.devices.kubeedge.io")
        blocker = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        try:
            await made.core.stop()
            await made.start_core()
        finally:
            blocker.close()
        after = await kube.get(CRDS, None, "devices.devices.kubeedge.io")
        assert after["spec"]["versions"] == before["spec"]["versions"]
        assert (await kube.get(DEVICES_V1BETA1, "default", "thermometer"))["spec"]["nodeName"] == "edge1"
        hooks = await kube.get(VALIDATING_WEBHOOKS, None, "validate-devicemodel")
        assert [hook["name"] for hook in hooks["webhooks"]] == [
            "validatedevicemodel.kubeedge.io",
            "validatedevice.kubeedge.io",
            "validatedevicerule.bramble.io",
        ]
        assert {hook["failurePolicy"] for hook in hooks["webhooks"]} == {"Ignore"}


@runs
async def test_without_the_webhooks_only_v1alpha1_is_served() -> None:
    async with world() as (made, kube):
        await made.core.stop()
        made.admission = False
        await made.start_core()
        await kube.create(DEVICES, "default", examples("thermometer.yaml")[0])
        assert await gone(kube, DEVICES_V1BETA1, "default", "thermometer")
        made.admission = True
        await made.core.stop()
        await made.start_core()
        assert (await kube.get(DEVICES_V1BETA1, "default", "thermometer"))["spec"]["nodeName"] == "edge1"


@runs
async def test_the_definition_of_a_site_that_was_made_before_is_upgraded_and_its_devices_stay() -> None:
    async with world() as (made, kube):
        await made.core.stop()
        await kube.delete(CRDS, None, "devices.devices.kubeedge.io")
        before = yaml.safe_load((Path(__file__).parent / "devices-before-versions.yaml").read_text())
        await kube.create(CRDS, None, before)
        device = await kube.create(DEVICES, "default", examples("thermometer.yaml")[0])
        assert await gone(kube, DEVICES_V1BETA1, "default", "thermometer")
        await made.start_core()
        assert (await kube.get(DEVICES_V1BETA1, "default", "thermometer"))["spec"]["nodeName"] == "edge1"
        stored = await kube.get(DEVICES, "default", "thermometer")
        assert (stored["spec"], stored["metadata"]["uid"]) == (device["spec"], device["metadata"]["uid"])
        definition = await kube.get(CRDS, None, "devices.devices.kubeedge.io")
        assert definition["status"]["storedVersions"] == ["v1alpha1"]


@runs
async def test_a_definition_that_is_not_ours_stays_and_what_can_be_served_is_served() -> None:
    async with world() as (made, kube):
        await made.core.stop()
        definition = await kube.get(CRDS, None, "devices.devices.kubeedge.io")
        definition["metadata"] |= {"labels": {}, "annotations": {}}
        definition["spec"] |= {"conversion": {"strategy": "None"}, "versions": definition["spec"]["versions"][:1]}
        foreign = await kube.update(CRDS, None, definition)
        await made.start_core()
        assert await kube.get(CRDS, None, "devices.devices.kubeedge.io") == foreign
        edge, _ = await made.board()
        await kube.create(DEVICES, "default", examples("thermometer.yaml")[0])
        assert (await hear_of(edge, "membership")).content["added_devices"][0]["id"] == "thermometer"
