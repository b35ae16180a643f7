"""Tokens of service accounts for pods on boards (P5.11), from the API to the node that runs the pod. X2 is in test_cross_node.py."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.upstream import Upstream
from cloudcore.errors import KubeConflict, KubeForbidden, KubeInvalid, KubeNotFound
from cloudcore.kube.resources import PODS, SERVICE_ACCOUNTS
from tests.fakes.downlink import until
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream
from viaduct.handshake import Mode
from viaduct.message import Message
from viaduct.tokenrequest import TokenRequest, read_issued, request_content

REQUEST = request_content(TokenRequest("web", "u1", "", 3607))


async def _filled(at: Cloud, **spec: Any) -> None:
    source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    volumes = [{"name": "kube-api-access-x", "projected": {"sources": [source]}}]
    metadata = {"name": "web", "namespace": "default", "uid": "u1"}
    at.kube.put(PODS, {"metadata": metadata, "spec": {"nodeName": "edge1", "volumes": volumes, "containers": [], **spec}})
    at.kube.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    await until(lambda: at.hub.offers)


async def _ask(at: Cloud, content: Any = REQUEST, mode: Mode = Mode.LEDGER) -> Message:
    hub = Upstream({Target.EDGE: at.edge}, at.edge.may_read, lambda: 1, Counts())
    (answer,) = await hub.answer("edge1", mode, upstream("default/serviceaccounttoken/default", content, operation="query"))
    return answer


@pytest.mark.parametrize("mode", [Mode.LEDGER, Mode.PLAIN])
@in_loop
async def test_a_node_gets_the_token_that_its_pod_projects_and_the_api_is_asked_for_nothing_else(mode: Mode) -> None:
    async with cloud("edge1") as at:
        await _filled(at)
        forged = {**REQUEST, "metadata": {"name": "admin"}, "spec": {**REQUEST["spec"], "more": "x"}}
        answer = await _ask(at, forged, mode)
        assert (answer.route.operation, read_issued(answer.content).seconds) == ("response", 3607)
        assert read_issued(answer.content).token == "token-1"
        (asked,) = at.kube.granted
        head = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        assert asked == {**head, "metadata": {"name": "default", "namespace": "default"}, **REQUEST}


@in_loop
async def test_an_edge_that_sends_text_and_leaves_out_what_has_a_default_is_understood() -> None:
    async with cloud("edge1") as at:
        await _filled(at, volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}])
        bound = '{"kind":"Pod","apiVersion":"v1","name":"web","uid":"u1"}'
        answer = await _ask(at, f'{{"spec":{{"audiences":null,"expirationSeconds":null,"boundObjectRef":{bound}}}}}')
        assert answer.route.operation == "response", answer.content


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [
        (KubeNotFound("404 the server could not find the requested resource", code=404), 501, False),
        (KubeInvalid("405 not allowed", code=405), 501, False),
        (KubeForbidden("403 forbidden", code=403), 403, True),
        (KubeInvalid("422 expirationSeconds", code=422), 422, False),
        (KubeConflict("409 the uid differs", code=409), 409, True),
    ],
)
@in_loop
async def test_where_the_api_gives_none_the_answer_says_why(error: Exception, code: int, retry: bool) -> None:
    async with cloud("edge1") as at:
        await _filled(at)
        at.kube.fail = lambda verb, plural, name: error if plural == "serviceaccounts" else None
        answer = await _ask(at)
        assert answer.route.operation == "error"
        assert (answer.content["code"], answer.content["retry"]) == (code, retry)
        assert str(error) in answer.content["reason"]


@in_loop
async def test_a_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with cloud("edge1") as at:
        await _filled(at)
        with caplog.at_level(logging.DEBUG):
            await _ask(at)
        assert "token-1" not in caplog.text
