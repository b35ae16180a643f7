"""What one node says about what is another's, over every kind of message: the real controllers behind the hub's admission (X2)."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.upstream import Upstream
from cloudcore.kube.resources import CONFIGMAPS, DEVICE_MODELS, DEVICES, NODES, PERSISTENT_VOLUMES, PODS, SECRETS, SERVICE_ACCOUNTS
from tests.fakes.downlink import until
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream
from tests.unit.cloudcore.devicecontroller.devices import device, model, twin
from viaduct.handshake import Mode
from viaduct.message import Message
from viaduct.tokenrequest import TokenRequest, request_content

OWN, OTHER = "edge1", "edge2"


def _pod(name: str, node: str, secret: str, claim: str) -> dict[str, Any]:
    volumes = [{"secret": {"secretName": secret}}, {"persistentVolumeClaim": {"claimName": claim}}]
    volumes += [{"projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 700}}]}}]
    spec = {
        "nodeName": node,
        "serviceAccountName": secret,
        "volumes": volumes,
        "containers": [{"envFrom": [{"configMapRef": {"name": secret}}]}],
    }
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}"}, "spec": spec, "status": {"phase": "Pending"}}


def _fill(at: Cloud) -> None:
    for node, word in ((OWN, "own"), (OTHER, "other")):
        at.kube.put(NODES, {"metadata": {"name": node}, "spec": {}, "status": {}})
        at.kube.put(PODS, _pod(f"{word}-pod", node, word, f"{word}-claim"))
        at.kube.put(SECRETS, {"metadata": {"name": word, "namespace": "default"}, "data": {"key": word}})
        at.kube.put(SERVICE_ACCOUNTS, {"metadata": {"name": word, "namespace": "default"}})
        at.kube.put(CONFIGMAPS, {"metadata": {"name": word, "namespace": "default"}, "data": {"key": word}})
        at.kube.put(DEVICES, device(f"{word}-device", node, twins=[twin("temperature", "20")]))
        claim = {"namespace": "default", "name": f"{word}-claim"}
        at.kube.put(PERSISTENT_VOLUMES, {"metadata": {"name": f"{word}-volume"}, "spec": {"claimRef": claim}})
    at.kube.put(DEVICE_MODELS, model())


RUNNING = {"phase": "Running"}
READY = {"Status": {"conditions": [{"type": "Ready", "status": "False"}]}}
STAMP = "2020-05-01T12:00:00Z"
VALUE = {"twin": {"temperature": {"actual": {"value": "66"}, "metadata": {"type": "string"}}}}


def _status(word: str, uid: str | None = None) -> dict[str, Any]:
    return {"UID": f"uid-of-{word}-pod" if uid is None else uid, "Name": f"{word}-pod", "Status": RUNNING}


def _event(kind: str, name: str) -> dict[str, Any]:
    times = {"firstTimestamp": STAMP, "lastTimestamp": STAMP}
    return {"involvedObject": {"kind": kind, "name": name}, "reason": "Started", "message": "m", "type": "Normal", "count": 1} | times


def _token(pod: str, uid: str = "", audience: str = "vault", seconds: int = 700) -> dict[str, Any]:
    return request_content(TokenRequest(pod, uid or f"uid-of-{pod}", audience, seconds))


def _messages(word: str, node: str) -> dict[str, Message]:
    """Every kind of message, about the things of ``node``, which are named after ``word``."""
    return {
        "registration": upstream(f"default/nodestatus/{node}", {"status": {}, "metadata": {}}, operation="insert"),
        "node status": upstream(f"default/nodestatus/{node}", READY),
        "node annotations": upstream(f"default/node/{node}", {"metadata": {"annotations": {"a": "b"}}}),
        "node query": upstream(f"default/node/{node}", operation="query"),
        "pod status": upstream(f"default/podstatus/{word}-pod", _status(word)),
        "pod status without a uid": upstream(f"default/podstatus/{word}-pod", _status(word, "")),
        "pod statuses": upstream("default/podstatus", [_status(word)]),
        "pod event": upstream(f"default/event/{word}-pod.1", _event("Pod", f"{word}-pod")),
        "node event": upstream(f"default/event/{node}.1", _event("Node", node)),
        "pod query": upstream(f"default/pod/{word}-pod", operation="query"),
        "configmap query": upstream(f"default/configmap/{word}", operation="query"),
        "secret query": upstream(f"default/secret/{word}", operation="query"),
        "volume query": upstream(f"null/persistentvolume/{word}-volume", operation="query"),
        "token query": upstream(f"default/serviceaccounttoken/{word}", _token(f"{word}-pod"), operation="query"),
        "device values": upstream(f"device/{word}-device/twin/edge_updated", VALUE, source="twin"),
        "device state": upstream(f"device/{word}-device/state", {"device": {"state": "online"}}, source="twin"),
    }


async def _answer(at: Cloud, message: Message, counts: Counts | None = None) -> Message:
    hub = Upstream({Target.EDGE: at.edge, Target.DEVICE: at.device}, at.edge.may_read, lambda: 1, counts or Counts())
    (answer,) = await hub.answer(OWN, Mode.LEDGER, message)
    return answer


def _objects(at: Cloud) -> dict[Any, Any]:
    """All that stands in the API but the records of what was delivered, which are written in the background."""
    return {key: copy.deepcopy(thing) for key, thing in at.kube.objects.items() if not key[0].endswith("objectsyncs")}


async def _filled(at: Cloud) -> None:
    _fill(at)
    await until(lambda: {"default/secret/own", "device/own-device"} <= {key for _, key in at.hub.said(OWN)})
    await until(lambda: {"default/secret/other", "device/other-device"} <= {key for _, key in at.hub.said(OTHER)})
    await until(lambda: at.kube.peek(CONFIGMAPS, "default", f"device-profile-config-{OTHER}"))


@pytest.mark.parametrize("kind", _messages("own", OWN))
@in_loop
async def test_a_node_may_say_it_of_what_is_its_own(kind: str) -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        answer = await _answer(at, _messages("own", OWN)[kind])
        assert answer.route.operation == "response", answer.content


@pytest.mark.parametrize("kind", _messages("other", OTHER))
@in_loop
async def test_a_node_may_not_say_it_of_what_is_anothers(kind: str) -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        before, counts = _objects(at), Counts()
        answer = await _answer(at, _messages("other", OTHER)[kind], counts)
        assert (answer.route.operation, answer.content["code"] in (403, 404), answer.content["retry"]) == ("error", True, False)
        assert answer.content["reason"]
        assert _objects(at) == before
        assert sum(counts.denied.values()) == counts.reports["refused"] == 1
        assert "invalid" not in counts.denied
        assert not any(to == OTHER and owed.removal for to, owed in at.hub.offers)


_FORGED = {
    "a node's deletion": upstream(f"default/node/{OWN}", operation="delete"),
    "a pod of its own making": upstream("default/pod/own-pod", _pod("own-pod", OWN, "other", "other-claim"), operation="insert"),
    "a pod's deletion": upstream("default/pod/own-pod", operation="delete"),
    "a write of a ConfigMap that its pods name": upstream("default/configmap/own", {"data": {}}, operation="update"),
    "a list of Secrets": upstream("default/secret", operation="query"),
    "a list of pods": upstream("default/podlist", operation="query"),
    "a Service": upstream("default/service/own", operation="query"),
    "a wish": upstream("device/own-device/twin/cloud_updated", VALUE, source="twin"),
    "a membership": upstream("membership", {"added_devices": [{"id": "other-device"}]}, source="twin"),
    "a device's deletion": upstream("device/own-device/state", operation="delete", source="twin"),
    "a pod's status in a device's clothes": upstream("default/podstatus/own-pod", _status("own"), source="twin"),
    "a device's values in an object's clothes": upstream("device/own-device/twin/edge_updated", VALUE, source="edgecontroller"),
    "a path that leads elsewhere": upstream("../secrets/other", operation="query"),
    "a path inside a name": upstream("default/configmap/own%2F..%2Fother", operation="query"),
    "a token for another's pod": upstream("default/serviceaccounttoken/own", _token("other-pod"), operation="query"),
    "a token for a pod that was there before": upstream("default/serviceaccounttoken/own", _token("own-pod", "old"), operation="query"),
    "a token of another's account": upstream("default/serviceaccounttoken/other", _token("own-pod"), operation="query"),
    "a token for another audience": upstream("default/serviceaccounttoken/own", _token("own-pod", audience=""), operation="query"),
    "a token that lives longer": upstream("default/serviceaccounttoken/own", _token("own-pod", seconds=701), operation="query"),
    "a token for no pod": upstream("default/serviceaccounttoken/own", {"spec": {"audiences": ["vault"]}}, operation="query"),
    "a token without a name": upstream("default/serviceaccounttoken", _token("own-pod"), operation="query"),
    "an order for a token": upstream("default/serviceaccounttoken/own", _token("own-pod"), operation="insert"),
    "an upload": upstream("SYS/dis/upload_records", {"a": 1}, group="user"),
    "another node's name in its registration's place": upstream("default/nodestatus", {"status": {}}, operation="insert"),
}


@pytest.mark.parametrize("kind", _FORGED)
@in_loop
async def test_what_no_node_may_say_at_all_is_refused_with_the_reason(kind: str) -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        before = _objects(at)
        answer = await _answer(at, _FORGED[kind])
        assert (answer.route.operation, answer.content["retry"]) == ("error", False)
        assert answer.content["reason"]
        assert _objects(at) == before


@in_loop
async def test_a_registration_names_its_node_by_the_certificate_whatever_its_content_says() -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        node = {"metadata": {"name": OTHER, "labels": {"kubernetes.io/role": "master", "zone": "a"}}, "status": {}}
        await _answer(at, upstream(f"default/nodestatus/{OWN}", node, operation="insert"))
        assert at.kube.peek(NODES, "", OWN)["metadata"]["labels"] == {"zone": "a"}
        assert "labels" not in at.kube.peek(NODES, "", OTHER)["metadata"]


@in_loop
async def test_whether_a_volume_exists_is_not_to_be_learned() -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        answers = [
            await _answer(at, upstream(f"null/persistentvolume/{name}", operation="query")) for name in ("other-volume", "no-volume")
        ]
        reasons = {answer.content["reason"].replace("other-volume", "X").replace("no-volume", "X") for answer in answers}
        assert len(reasons) == 1


@in_loop
async def test_a_node_that_is_denied_without_end_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with cloud(OWN, OTHER) as at:
        await _filled(at)
        now_ms = 0
        counts = Counts()
        hub = Upstream({Target.EDGE: at.edge}, at.edge.may_read, lambda: now_ms, counts)
        with caplog.at_level(logging.WARNING, "cloudcore.cloudhub.upstream"):
            for _ in range(100):
                await hub.answer(OWN, Mode.LEDGER, upstream("default/secret/other", operation="query"))
            now_ms = 61_000
            await hub.answer(OWN, Mode.LEDGER, upstream("default/secret/other", operation="query"))
        said = [record.getMessage() for record in caplog.records if record.name == "cloudcore.cloudhub.upstream"]
        assert [line.partition(" (and ")[2] for line in said] == ["", "99 more such messages before)"]
        assert counts.denied == {"not_named": 101}
