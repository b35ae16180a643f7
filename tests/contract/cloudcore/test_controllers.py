"""The controllers against a real API server (cloudstub): schemas, conflicts, status subresources and watches are its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudcore.errors import KubeConflict, KubeInvalid, KubeNotFound
from cloudcore.kube import definitions
from cloudcore.kube.client import KubeClient, PatchType
from cloudcore.kube.informer import Informer
from cloudcore.kube.kubeconfig import read_kubeconfig
from cloudcore.kube.resources import CONFIGMAPS, DEVICE_MODELS, DEVICES, LEASES, OBJECT_SYNCS, PODS, SECRETS, Resource
from cloudstub import app as cloudstub
from cloudstub.config import Config
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream
from tests.module.cloudcore.test_devicecontroller import edge_updated
from tests.unit.cloudcore.devicecontroller.devices import device, model, twin
from viaduct.profile import FILE, configmap_of


class Kube(KubeClient):
    """A client that runs its informers itself."""

    tasks: list[asyncio.Task[None]]

    def informer(self, resource: Resource) -> Informer:
        informer = Informer(self, resource)
        self.tasks.append(asyncio.create_task(informer.run()))
        return informer

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def real(*nodes: str) -> AsyncIterator[Cloud]:
    with tempfile.TemporaryDirectory() as folder:
        running = await cloudstub.start(Config(Path(folder), port=0, runs_controllers=False))
        kube = Kube(read_kubeconfig(running.kubeconfig))
        kube.tasks = []
        try:
            await definitions.install(kube, None)
            async with cloud(*nodes, kube=kube) as at:
                yield at
        finally:
            await kube.close()
            await running.stop()


async def eventually(found: Any, *, seconds: float = 10.0) -> Any:
    """Wait until the coroutine function gives something; what is not there yet is waited for."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if result := await found():
                    return result
            except KubeNotFound:
                pass
            await asyncio.sleep(0.01)


def pod() -> dict[str, Any]:
    container = {"name": "c", "image": "localhost/x:1", "envFrom": [{"secretRef": {"name": "db"}}]}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "edge1", "containers": [container]}}


@in_loop
async def test_a_pod_lives_and_ends() -> None:
    async with real("edge1") as at:
        at.edge.node_changed("edge1", True)
        content = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "m"}]}}
        await at.edge.take("edge1", upstream("default/nodestatus/edge1", content, operation="insert"))
        await at.kube.create(SECRETS, "default", {"metadata": {"name": "db", "namespace": "default"}, "stringData": {"a": "b"}})
        made = await at.kube.create(PODS, "default", pod())
        await eventually(lambda: _has(at.hub.said("edge1"), ("update", "default/secret/db"), ("insert", "default/pod/web")))
        report = {"UID": made["metadata"]["uid"], "Name": "web", "Status": {"phase": "Running", "podIP": "10.0.0.9"}}
        await at.edge.take("edge1", upstream("default/podstatus/web", report))
        assert (await at.kube.get(PODS, "default", "web"))["status"]["podIP"] == "10.0.0.9"
        for _, owed in list(at.hub.offers):
            at.record.delivered("edge1", owed)
        sync = await eventually(lambda: at.kube.get(OBJECT_SYNCS, "default", f"edge1.{made['metadata']['uid']}"))
        assert sync["spec"]["objectKind"] == "pod"
        await eventually(lambda: _recorded(at, made))

        await at.kube.delete(PODS, "default", "web", grace_seconds=30)
        assert (await at.kube.get(PODS, "default", "web"))["metadata"]["deletionTimestamp"]
        ended = report | {"Status": {"phase": "Failed", "containerStatuses": [_terminated()]}}
        await at.edge.take("edge1", upstream("default/podstatus/web", ended))
        await eventually(lambda: _has(at.hub.said("edge1"), ("delete", "default/pod/web"), ("delete", "default/secret/db")))
        lease = await eventually(lambda: at.kube.get(LEASES, "kube-node-lease", "edge1"))
        assert lease["spec"]["holderIdentity"] == "edge1"


def _terminated() -> dict[str, Any]:
    state = {"terminated": {"exitCode": 137, "startedAt": "2020-01-01T00:00:00Z", "finishedAt": "2020-01-01T00:01:00Z"}}
    return {"name": "c", "image": "localhost/x:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}


async def _has(said: list[tuple[str, str]], *wanted: tuple[str, str]) -> bool:
    return set(wanted) <= set(said)


async def _recorded(at: Cloud, made: dict[str, Any]) -> bool:
    sync = await at.kube.get(OBJECT_SYNCS, "default", f"edge1.{made['metadata']['uid']}")
    return bool((sync.get("status") or {}).get("objectResourceVersion") == made["metadata"]["resourceVersion"])


@in_loop
async def test_wishes_and_reports_meet_in_one_device_and_neither_is_lost() -> None:
    async with real("edge1") as at:
        await at.kube.create(DEVICE_MODELS, "default", _valid_model())
        await at.kube.create(DEVICES, "default", device(twins=[twin("temperature", "0", "int")]))
        await eventually(lambda: _has(at.hub.said("edge1"), ("update", "device/thermometer")))

        async def patch_all() -> None:
            for number in range(1, 51):
                await _desire(at, str(number))
                current = await at.kube.get(DEVICES, "default", "thermometer")
                assert current["status"]["twins"][0]["desired"]["value"] == str(number)

        async def report_all() -> None:
            for number in range(200):
                await at.device.take("edge1", edge_updated(str(number)))

        await asyncio.gather(patch_all(), report_all())
        (only,) = (await at.kube.get(DEVICES, "default", "thermometer"))["status"]["twins"]
        assert (only["desired"]["value"], only["reported"]["value"]) == ("50", "199")


async def _desire(at: Cloud, value: str) -> None:
    """A patch of the whole list with the version that was read, as a careful user makes it."""
    while True:
        current = await at.kube.get(DEVICES, "default", "thermometer")
        (only,) = current["status"]["twins"]
        patch = {
            "metadata": {"resourceVersion": current["metadata"]["resourceVersion"]},
            "status": {"twins": [only | {"desired": only["desired"] | {"value": value}}]},
        }
        try:
            await at.kube.patch(DEVICES, "default", "thermometer", patch, PatchType.MERGE)
            return
        except KubeConflict:
            continue


@in_loop
async def test_a_json_patch_of_a_wish_survives_reports() -> None:
    """A patch without a version: the API server lays it over the newest object, and a report that was under way has to read again."""
    async with real("edge1") as at:
        await at.kube.create(DEVICES, "default", device(twins=[twin("temperature", "0")]))
        await eventually(lambda: _has(at.hub.said("edge1"), ("update", "device/thermometer")))
        patch = [{"op": "replace", "path": "/status/twins/0/desired/value", "value": "25"}]
        reports = [at.device.take("edge1", edge_updated(str(number))) for number in range(50)]
        await asyncio.gather(*reports[:25], at.kube.patch(DEVICES, "default", "thermometer", patch, PatchType.JSON), *reports[25:])
        (only,) = (await at.kube.get(DEVICES, "default", "thermometer"))["status"]["twins"]
        assert (only["desired"]["value"], only["reported"]["value"]) == ("25", "49")


@in_loop
async def test_a_mapper_finds_its_profile_and_loses_it_with_the_last_device() -> None:
    async with real("edge1") as at:
        await at.kube.create(DEVICES, "default", device(protocol={"modbus": {"tcp": {"ip": "127.0.0.1", "port": 5020, "slaveID": "1"}}}))
        await at.kube.create(DEVICE_MODELS, "default", _valid_model())
        profile = await eventually(lambda: at.kube.get(CONFIGMAPS, "default", configmap_of("edge1")))
        assert profile["data"][FILE] == (
            '{"deviceInstances":[{"id":"thermometer","name":"thermometer","protocol":"modbus-tcp-thermometer","model":"thermo"}],'
            '"deviceModels":[{"name":"thermo","properties":[{"name":"temperature","dataType":"int","accessMode":"ReadOnly","defaultValue":0}]}],'
            '"protocols":[{"name":"modbus-tcp-thermometer","protocol":"modbus-tcp","protocol_config":'
            '{"ip":"127.0.0.1","port":5020,"slaveID":"1"}}],'
            '"propertyVisitors":[{"name":"temperature","propertyName":"temperature","modelName":"thermo","protocol":"modbus",'
            '"visitorConfig":{"register":"HoldingRegister","limit":1,"scale":0.1}}]}'
        )
        await at.kube.delete(DEVICES, "default", "thermometer")

        async def gone() -> bool:
            try:
                await at.kube.get(CONFIGMAPS, "default", configmap_of("edge1"))
            except KubeNotFound:
                return True
            return False

        await eventually(gone)


def _valid_model() -> dict[str, Any]:
    modbus = {"register": "HoldingRegister", "offset": 0, "limit": 1, "scale": 0.1}
    return model(visitors=[{"propertyName": "temperature", "modbus": modbus}])


RTU = {"serialPort": "/dev/x", "baudRate": 9600, "dataBits": 8, "parity": "none", "stopBits": 1, "slaveID": 1}
TCP = {"ip": "x", "port": 1, "slaveID": "1"}
REGISTER = {"register": "CoilRegister", "offset": 0, "limit": 1}


def _rtu(**fields: Any) -> dict[str, Any]:
    return device(protocol={"modbus": {"rtu": RTU | fields}})


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _visited(**by: Any) -> dict[str, Any]:
    return model(visitors=[{"propertyName": "t"} | by])


def _converted(**converter: Any) -> dict[str, Any]:
    whole = {"characteristicUUID": "f000", "dataConverter": {"startIndex": 0, "endIndex": 1} | converter}
    return _visited(bluetooth=whole)


def _typed(**types: Any) -> dict[str, Any]:
    return model(properties=[{"name": "t", "type": types}])


WRONG: list[tuple[Resource, dict[str, Any], str]] = [
    (DEVICES, {"metadata": {"name": "d", "namespace": "default"}, "spec": {}}, "spec.deviceModelRef"),
    (DEVICES, device(protocol={"opcua": {}}), "spec.protocol.opcua.url"),
    *((DEVICES, device(protocol={"modbus": {"rtu": _without(RTU, one)}}), f"spec.protocol.modbus.rtu.{one}") for one in RTU),
    *((DEVICES, device(protocol={"modbus": {"tcp": _without(TCP, one)}}), f"spec.protocol.modbus.tcp.{one}") for one in TCP),
    (DEVICES, _rtu(baudRate=9601), "spec.protocol.modbus.rtu.baudRate"),
    (DEVICES, _rtu(dataBits=9), "spec.protocol.modbus.rtu.dataBits"),
    (DEVICES, _rtu(parity="mark"), "spec.protocol.modbus.rtu.parity"),
    (DEVICES, _rtu(stopBits=3), "spec.protocol.modbus.rtu.stopBits"),
    (DEVICES, _rtu(slaveID=256), "spec.protocol.modbus.rtu.slaveID"),
    (DEVICES, _rtu(slaveID=-1), "spec.protocol.modbus.rtu.slaveID"),
    (DEVICES, device(protocol={"modbus": {"tcp": TCP | {"slaveID": 1}}}), "spec.protocol.modbus.tcp.slaveID"),
    (DEVICES, device(protocol={"bluetooth": {"macAddress": 7}}), "spec.protocol.bluetooth.macAddress"),
    (DEVICES, device(twins=[{"desired": {"value": "1"}}]), "status.twins[0].propertyName"),
    (DEVICES, device(twins=[{"propertyName": "t", "desired": {}}]), "status.twins[0].desired.value"),
    (DEVICES, device(twins=[{"propertyName": "t", "desired": {"value": 1}}]), "status.twins[0].desired.value"),
    (DEVICES, device(twins=[{"propertyName": "t", "reported": {}}]), "status.twins[0].reported.value"),
    (DEVICES, device(twins=[{"propertyName": "t", "reported": {"value": "1", "metadata": {"timestamp": 1}}}]),
     "status.twins[0].reported.metadata.timestamp"),
    (DEVICE_MODELS, model(properties=[{"type": {"int": {"accessMode": "ReadOnly"}}}]), "spec.properties[0].name"),
    (DEVICE_MODELS, model(properties=[{"name": "t"}]), "spec.properties[0].type"),
    (DEVICE_MODELS, _typed(), "spec.properties[0].type"),
    (DEVICE_MODELS, _typed(int={"accessMode": "ReadOnly"}, string={"accessMode": "ReadOnly"}), "spec.properties[0].type"),
    (DEVICE_MODELS, _typed(int={}), "spec.properties[0].type.int.accessMode"),
    (DEVICE_MODELS, _typed(int={"accessMode": "WriteOnly"}), "spec.properties[0].type.int.accessMode"),
    (DEVICE_MODELS, _typed(int={"accessMode": "ReadOnly", "maximum": "9"}), "spec.properties[0].type.int.maximum"),
    (DEVICE_MODELS, _typed(int={"accessMode": "ReadOnly", "minimum": 0.5}), "spec.properties[0].type.int.minimum"),
    (DEVICE_MODELS, _typed(string={}), "spec.properties[0].type.string.accessMode"),
    (DEVICE_MODELS, _typed(string={"accessMode": "readonly"}), "spec.properties[0].type.string.accessMode"),
    (DEVICE_MODELS, _typed(string={"accessMode": "ReadOnly", "defaultValue": 1}), "spec.properties[0].type.string.defaultValue"),
    (DEVICE_MODELS, model(visitors=[{"modbus": REGISTER}]), "spec.propertyVisitors[0].propertyName"),
    (DEVICE_MODELS, _visited(opcua={"browseName": "x"}), "spec.propertyVisitors[0].opcua.nodeID"),
    *((DEVICE_MODELS, _visited(modbus=_without(REGISTER, one)), f"spec.propertyVisitors[0].modbus.{one}") for one in REGISTER),
    (DEVICE_MODELS, _visited(modbus=REGISTER | {"register": "X"}), "spec.propertyVisitors[0].modbus.register"),
    (DEVICE_MODELS, _visited(modbus=REGISTER | {"scale": "2"}), "spec.propertyVisitors[0].modbus.scale"),
    (DEVICE_MODELS, _visited(modbus=REGISTER | {"isSwap": "true"}), "spec.propertyVisitors[0].modbus.isSwap"),
    (DEVICE_MODELS, _visited(bluetooth={}), "spec.propertyVisitors[0].bluetooth.characteristicUUID"),
    (DEVICE_MODELS, _visited(bluetooth={"characteristicUUID": "f000", "dataConverter": {"startIndex": 0}}),
     "spec.propertyVisitors[0].bluetooth.dataConverter.endIndex"),
    (DEVICE_MODELS, _visited(bluetooth={"characteristicUUID": "f000", "dataConverter": {"endIndex": 0}}),
     "spec.propertyVisitors[0].bluetooth.dataConverter.startIndex"),
    (DEVICE_MODELS, _converted(shiftLeft=-1), "spec.propertyVisitors[0].bluetooth.dataConverter.shiftLeft"),
    (DEVICE_MODELS, _converted(shiftRight=-1), "spec.propertyVisitors[0].bluetooth.dataConverter.shiftRight"),
    (DEVICE_MODELS, _converted(orderOfOperations=[{"operationType": "Power"}]),
     "spec.propertyVisitors[0].bluetooth.dataConverter.orderOfOperations[0].operationType"),
    (DEVICE_MODELS, _converted(orderOfOperations=[{"operationType": "Add", "operationValue": "1"}]),
     "spec.propertyVisitors[0].bluetooth.dataConverter.orderOfOperations[0].operationValue"),
]  # fmt: skip


@in_loop
async def test_what_the_contract_forbids_is_refused_with_its_path_and_what_it_allows_is_kept() -> None:
    async with real() as at:
        for resource, body, path in WRONG:
            with pytest.raises(KubeInvalid) as refused:
                await at.kube.create(resource, "default", body)
            assert refused.value.code == 422
            assert path in str(refused.value)
        visitors = [{"propertyName": "io", "bluetooth": {"characteristicUUID": "f000", "dataWrite": {"ON": [1], "OFF": "AA=="}}}]
        kept = await at.kube.create(DEVICE_MODELS, "default", model(visitors=visitors))
        assert kept["spec"]["propertyVisitors"] == visitors
