"""Webhooks that have a say in writes, over HTTP, with real HTTPS webhooks."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.fakes import webhook
from tests.unit.cloudstub.api.serving import Answer, Client, serve
from tests.unit.cloudstub.api.test_conversion import CRDS, convert, crd, lamp, path

Object = dict[str, Any]
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
MERGE = "application/merge-patch+json"
RULE = {"operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


def configuration(client: Object, name: str = "check.example.org", **more: Any) -> Object:
    hook = {"name": name, "clientConfig": client, "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], **more}
    return {"metadata": {"name": name.split(".")[0]}, "webhooks": [hook]}


async def register(client: Client, config: Object, kind: str = "validating") -> Answer:
    return await client.call("POST", f"{HOOKS}/{kind}webhookconfigurations", config)


def configmap(name: str, **data: str) -> Object:
    return {"metadata": {"name": name}, "data": data}


def allow(request: Object) -> Object:
    return {"allowed": True}


def deny(request: Object) -> Object:
    return {"allowed": False, "status": {"message": "not today"}}


def patching(*operations: Object) -> Any:
    text = base64.b64encode(json.dumps(operations).encode()).decode()
    return lambda request: {"allowed": True, "patchType": "JSONPatch", "patch": text}


def with_hook(tmp_path: Path, answer: Any, act: Any, *, kind: str = "validating", **more: Any) -> None:
    async def run(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", answer) as hook:
            assert (await register(client, configuration(hook.client(), **more), kind)).status == 201
            await act(client, hook)

    serve(tmp_path, run)


def test_a_validating_webhook_sees_what_would_be_stored_and_may_refuse_it(tmp_path: Path) -> None:
    def answer(request: Object) -> Object:
        return deny(request) if (request["object"] or request["oldObject"])["data"].get("color") == "red" else allow(request)

    async def act(client: Client, hook: webhook.Webhook) -> None:
        refused = await client.call("POST", CONFIGMAPS, configmap("a", color="red"))
        assert refused.status == 403
        assert refused.value["message"] == 'admission webhook "check.example.org" denied the request: not today'
        assert (await client.call("GET", f"{CONFIGMAPS}/a")).status == 404
        assert (await client.call("POST", CONFIGMAPS, configmap("a", color="blue"))).status == 201
        changed = await client.call("PATCH", f"{CONFIGMAPS}/a", {"data": {"color": "red"}}, Content_Type=MERGE)
        assert changed.status == 403
        assert (await client.get(f"{CONFIGMAPS}/a"))["data"] == {"color": "blue"}
        assert (await client.call("DELETE", f"{CONFIGMAPS}/a")).status == 200
        create, stored, update, delete = hook.heard
        assert create["operation"] == "CREATE"
        assert create["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert create["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert create["userInfo"]["username"] == "admin"
        assert (create["name"], create["namespace"], create["oldObject"], create["dryRun"]) == ("a", "default", None, False)
        assert stored["object"]["metadata"]["uid"]
        assert (update["oldObject"]["data"], update["object"]["data"]) == ({"color": "blue"}, {"color": "red"})
        assert (delete["operation"], delete["object"], delete["oldObject"]["data"]) == ("DELETE", None, {"color": "blue"})

    with_hook(tmp_path, answer, act)


def test_what_the_webhook_saw_is_what_is_stored(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        made = (await client.call("POST", CONFIGMAPS, {"metadata": {"generateName": "a-"}, "data": {}})).value
        assert hook.heard[0]["object"]["metadata"]["uid"] == made["metadata"]["uid"]
        assert hook.heard[0]["name"] == made["metadata"]["name"]

    with_hook(tmp_path, allow, act)


def test_a_mutating_webhook_changes_the_object_which_is_checked_again(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        made = await client.call("POST", CONFIGMAPS, configmap("a", color="blue"))
        assert made.value["data"] == {"color": "blue", "by": "hook"}
        assert (await client.get(f"{CONFIGMAPS}/a"))["data"] == {"color": "blue", "by": "hook"}

    with_hook(tmp_path, patching({"op": "add", "path": "/data/by", "value": "hook"}), act, kind="mutating")


def test_a_patch_of_a_webhook_that_spoils_the_object_is_refused_by_the_field(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        refused = await client.call("POST", CONFIGMAPS, configmap("a", color="blue"))
        assert refused.status == 422
        assert refused.value["details"]["causes"][0]["field"] == "data.color"

    with_hook(tmp_path, patching({"op": "replace", "path": "/data/color", "value": 7}), act, kind="mutating")


def test_mutating_webhooks_go_in_the_order_of_their_names_and_one_may_be_asked_again(tmp_path: Path) -> None:
    def count(request: Object) -> Object:
        return patching({"op": "add", "path": "/data/seen", "value": ",".join(sorted(request["object"]["data"]))})(request)

    async def run(client: Client) -> None:
        add = patching({"op": "add", "path": "/data/b", "value": "1"})
        async with webhook.serve(tmp_path / "one", count) as one, webhook.serve(tmp_path / "two", add) as two:
            await register(client, configuration(one.client(), "a.example.org", reinvocationPolicy="IfNeeded"), "mutating")
            await register(client, configuration(two.client(), "b.example.org"), "mutating")
            made = await client.call("POST", CONFIGMAPS, configmap("x", a="1"))
            assert made.value["data"] == {"a": "1", "b": "1", "seen": "a,b,seen"}
            assert (len(one.heard), len(two.heard)) == (2, 1)

    serve(tmp_path, run)


def test_warnings_of_a_webhook_reach_the_client(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        made = await client.call("POST", CONFIGMAPS, configmap("a"))
        assert made.headers["Warning"] == '299 - "the color is missing"'

    with_hook(tmp_path, lambda request: {"allowed": True, "warnings": ["the color is missing"]}, act)


BROKEN: list[tuple[Any, str]] = [
    (lambda request: web.Response(status=500, text="oops"), "HTTP status 500: oops"),
    (lambda request: web.Response(text="yes"), "the answer is not JSON"),
    (lambda request: {"allowed": "yes"}, "response.allowed must be true or false"),
    (lambda request: {"allowed": True, "uid": "another"}, "expected response.uid="),
    (lambda request: {"allowed": True, "patchType": "Odd", "patch": "e30="}, "unsupported patch type 'Odd'"),
    (lambda request: {"allowed": True, "patchType": "JSONPatch", "patch": "%"}, "response.patch is not base64 of JSON"),
]


@pytest.mark.parametrize(("answer", "said"), BROKEN)
def test_a_webhook_that_fails_stops_the_write_by_name_or_is_ignored(tmp_path: Path, answer: Any, said: str) -> None:
    async def run(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", answer) as hook:
            await register(client, configuration(hook.client()), "mutating")
            failed = await client.call("POST", CONFIGMAPS, configmap("a"))
            assert failed.status == 500
            assert 'failed calling webhook "check.example.org"' in failed.value["message"]
            assert said in failed.value["message"]
            assert (await client.call("GET", f"{CONFIGMAPS}/a")).status == 404
            await client.call("DELETE", f"{HOOKS}/mutatingwebhookconfigurations/check")
            await register(client, configuration(hook.client(), failurePolicy="Ignore"), "mutating")
            assert (await client.call("POST", CONFIGMAPS, configmap("a"))).status == 201

    serve(tmp_path, run)


def test_a_webhook_has_so_long_as_its_configuration_says_and_delays_nobody_else(tmp_path: Path) -> None:
    async def sleepy(request: Object) -> Object:
        await asyncio.sleep(30)
        return allow(request)

    async def act(client: Client, hook: webhook.Webhook) -> None:
        began = time.monotonic()
        held = asyncio.create_task(client.call("POST", CONFIGMAPS, configmap("a")))
        while not hook.heard:
            await asyncio.sleep(0.01)
        assert (await client.call("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})).status == 201
        assert not held.done()
        failed = await held
        assert failed.status == 500
        assert "no answer within 1 seconds" in failed.value["message"]
        assert time.monotonic() - began < 10

    with_hook(tmp_path, sleepy, act, timeoutSeconds=1)


def test_only_what_the_selectors_mean_is_asked(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        assert (await client.call("POST", CONFIGMAPS, configmap("plain"))).status == 201
        marked = {"metadata": {"name": "marked", "labels": {"watch": "yes"}}}
        assert (await client.call("POST", CONFIGMAPS, marked)).status == 403
        await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "quiet", "labels": {"hooks": "off"}}})
        assert (await client.call("POST", "/api/v1/namespaces/quiet/configmaps", marked)).status == 201

    selectors = {
        "objectSelector": {"matchLabels": {"watch": "yes"}},
        "namespaceSelector": {"matchExpressions": [{"key": "hooks", "operator": "NotIn", "values": ["off"]}]},
    }
    with_hook(tmp_path, deny, act, **selectors)


def test_a_dry_run_is_asked_about_as_such_and_stores_nothing(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        assert (await client.call("POST", f"{CONFIGMAPS}?dryRun=All", configmap("a"))).status == 201
        assert hook.heard[0]["dryRun"] is True
        assert (await client.call("GET", f"{CONFIGMAPS}/a")).status == 404

    with_hook(tmp_path, allow, act)


def test_what_somebody_else_wrote_while_the_webhook_thought_is_not_undone(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(request: Object) -> Object:
        if (request["object"]["data"] or {}).get("slow"):
            await gate.wait()
        return allow(request)

    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", CONFIGMAPS, configmap("a", one="1"))
        slow_patch = asyncio.create_task(client.call("PATCH", f"{CONFIGMAPS}/a", {"data": {"slow": "1"}}, Content_Type=MERGE))
        while len(hook.heard) < 2:
            await asyncio.sleep(0.01)
        assert (await client.call("PATCH", f"{CONFIGMAPS}/a", {"data": {"two": "2"}}, Content_Type=MERGE)).status == 200
        gate.set()
        assert (await slow_patch).value["data"] == {"one": "1", "two": "2", "slow": "1"}

    with_hook(tmp_path, slow, act)


def test_a_webhook_for_one_version_hears_of_writes_in_the_others_as_its_own(tmp_path: Path) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": ["example.org"], "apiVersions": ["v1"], "resources": ["lamps"]}

    def brighter(request: Object) -> Object:
        return patching({"op": "replace", "path": "/spec/watts", "value": request["object"]["spec"]["watts"] + 1})(request)

    async def run(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", brighter) as hook, webhook.serve(tmp_path / "convert", convert) as converter:
            await client.call("POST", CRDS, crd(converter.client()))
            await register(client, configuration(hook.client(), rules=[rule]), "mutating")
            made = await client.call("POST", path("v2"), lamp("desk", "v2"))
            assert made.value["spec"]["power"]["watts"] == 41
            assert hook.heard[0]["kind"]["version"] == "v1"
            assert hook.heard[0]["requestKind"]["version"] == "v2"
            await client.call("DELETE", f"{HOOKS}/mutatingwebhookconfigurations/check")
            await register(client, configuration(hook.client(), rules=[rule], matchPolicy="Exact"), "mutating")
            assert (await client.call("POST", path("v2"), lamp("hall", "v2"))).value["spec"]["power"]["watts"] == 40

    serve(tmp_path, run)


def test_webhooks_do_not_hear_of_their_own_configurations(tmp_path: Path) -> None:
    every = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}

    async def act(client: Client, hook: webhook.Webhook) -> None:
        assert (await client.call("POST", CONFIGMAPS, configmap("a"))).status == 403
        assert (await client.call("DELETE", f"{HOOKS}/validatingwebhookconfigurations/check")).status == 200
        assert (await client.call("POST", CONFIGMAPS, configmap("a"))).status == 201

    with_hook(tmp_path, deny, act, rules=[every])


HTTPS = {"url": "https://127.0.0.1:1/x"}


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", "short", "webhooks[0].name"),
        ("name", None, "webhooks[0].name"),
        ("clientConfig", {}, "webhooks[0].clientConfig"),
        ("clientConfig", {"url": "http://a/"}, "webhooks[0].clientConfig.url"),
        ("clientConfig", {"url": "https://a/?b=c"}, "webhooks[0].clientConfig.url"),
        ("clientConfig", {"url": "https://a:b/"}, "webhooks[0].clientConfig.url"),
        ("clientConfig", {"url": "https://a/", "service": {"name": "x", "namespace": "y"}}, "webhooks[0].clientConfig"),
        ("clientConfig", {"service": {"name": "x"}}, "webhooks[0].clientConfig.service.namespace"),
        ("clientConfig", {"service": {"name": "x", "namespace": "y", "port": 0}}, "webhooks[0].clientConfig.service.port"),
        ("clientConfig", {"service": {"name": "x", "namespace": "y", "path": "z"}}, "webhooks[0].clientConfig.service.path"),
        ("clientConfig", {**HTTPS, "caBundle": "AAAA"}, "webhooks[0].clientConfig.caBundle"),
        ("sideEffects", None, "webhooks[0].sideEffects"),
        ("sideEffects", "Some", "webhooks[0].sideEffects"),
        ("admissionReviewVersions", ["v1beta1"], "webhooks[0].admissionReviewVersions"),
        ("failurePolicy", "Maybe", "webhooks[0].failurePolicy"),
        ("matchPolicy", "Odd", "webhooks[0].matchPolicy"),
        ("timeoutSeconds", 31, "webhooks[0].timeoutSeconds"),
        ("matchConditions", [{"name": "a", "expression": "true"}], "webhooks[0].matchConditions"),
        ("namespaceSelector", {"matchLabels": 7}, "webhooks[0].namespaceSelector.matchLabels"),
        ("objectSelector", 7, "webhooks[0].objectSelector"),
        ("rules", [{**RULE, "operations": ["Eat"]}], "webhooks[0].rules[0].operations[0]"),
        ("rules", [{**RULE, "resources": []}], "webhooks[0].rules[0].resources"),
        ("rules", [{**RULE, "scope": "Odd"}], "webhooks[0].rules[0].scope"),
        ("rules", [7], "webhooks[0].rules[0]"),
    ],
)
def test_a_configuration_is_refused_by_the_field(tmp_path: Path, field: str, value: Any, fault: str) -> None:
    async def act(client: Client) -> None:
        config = configuration(HTTPS)
        config["webhooks"][0][field] = value
        for kind in ("validating", "mutating"):
            refused = await register(client, config, kind)
            assert refused.status == 422, refused.text
            assert fault in [cause["field"] for cause in refused.value["details"]["causes"]]

    serve(tmp_path, act)


def test_a_configuration_is_stored_with_the_defaults_of_kubernetes(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        hook = (await register(client, configuration(HTTPS))).value["webhooks"][0]
        assert (hook["failurePolicy"], hook["matchPolicy"], hook["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
        assert (hook["namespaceSelector"], hook["objectSelector"], hook["rules"][0]["scope"]) == ({}, {}, "*")

    serve(tmp_path, act)
