"""Custom kinds whose versions a webhook converts, over HTTP, with a real HTTPS webhook."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cloudstub.kinds import webhook_client
from cloudstub.webhooks.addresses import Unroutable, reach
from tests.fakes import webhook
from tests.unit.cloudstub.api.serving import Client, serve

Object = dict[str, Any]
GROUP = "/apis/example.org"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def crd(client: Object | None, *, storage: str = "v1") -> Object:
    """Lamps: v1 says ``spec.watts``, v2 says ``spec.power.watts`` and defaults its unit."""
    text, whole = {"type": "string"}, {"type": "integer", "maximum": 2000}
    power = {"type": "object", "properties": {"watts": whole, "unit": {**text, "default": "W"}}}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}

    def version(name: str, spec: Object, column: str) -> Object:
        schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
        return {
            "name": name,
            "served": True,
            "storage": name == storage,
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "Watts", "type": "integer", "jsonPath": column}],
        }

    return {
        "metadata": {"name": "lamps.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [version("v1", {"watts": whole}, ".spec.watts"), version("v2", {"power": power}, ".spec.power.watts")],
            **({"conversion": conversion} if client else {}),
        },
    }


def convert(request: Object) -> Object:
    return {"result": {"status": "Success"}, "convertedObjects": [_as(request["desiredAPIVersion"], obj) for obj in request["objects"]]}


def _as(wanted: str, obj: Object) -> Object:
    spec = obj.get("spec") or {}
    if wanted == obj["apiVersion"] or not spec:
        return {**obj, "apiVersion": wanted}
    made = {"watts": spec["power"]["watts"]} if wanted.endswith("v1") else {"power": {"watts": spec["watts"], "unit": "W"}}
    return {**obj, "apiVersion": wanted, "spec": made}


def lamp(name: str, version: str = "v1", watts: int = 40, **metadata: Any) -> Object:
    spec = {"watts": watts} if version == "v1" else {"power": {"watts": watts}}
    return {"apiVersion": f"example.org/{version}", "kind": "Lamp", "metadata": {"name": name, **metadata}, "spec": spec}


def path(version: str, name: str = "") -> str:
    return f"{GROUP}/{version}/namespaces/default/lamps" + (f"/{name}" if name else "")


def with_webhook(tmp_path: Path, act: Any, answer: Any = convert) -> None:
    async def run(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", answer) as hook:
            assert (await client.call("POST", CRDS, crd(hook.client()))).status == 201
            await act(client, hook)

    serve(tmp_path, run)


def test_an_object_of_one_version_is_read_in_the_other(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        assert (await client.call("POST", path("v1"), lamp("desk"))).status == 201
        assert (await client.get(path("v2", "desk")))["spec"] == {"power": {"watts": 40, "unit": "W"}}
        listed = await client.get(path("v2"))
        assert [(item["apiVersion"], item["spec"]["power"]["watts"]) for item in listed["items"]] == [("example.org/v2", 40)]
        assert (await client.get(path("v1", "desk")))["spec"] == {"watts": 40}

    with_webhook(tmp_path, act)


def test_a_write_in_the_other_version_is_defaulted_and_checked_there_and_stored_converted(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        refused = await client.call("POST", path("v2"), lamp("desk", "v2", watts=9000))
        assert refused.status == 422
        assert refused.value["details"]["causes"][0]["field"] == "spec.power.watts"
        made = (await client.call("POST", path("v2"), lamp("desk", "v2"))).value
        assert made["apiVersion"] == "example.org/v2"
        assert made["spec"] == {"power": {"watts": 40, "unit": "W"}}
        stored = await client.get(path("v1", "desk"))
        assert stored["spec"] == {"watts": 40}
        assert stored["metadata"] == made["metadata"]
        assert (await client.call("POST", path("v2"), lamp("desk", "v2"))).status == 409

    with_webhook(tmp_path, act)


def test_a_patch_is_laid_over_the_version_that_the_client_speaks(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))
        patch = {"spec": {"power": {"watts": 60}}}
        changed = await client.call("PATCH", path("v2", "desk"), patch, Content_Type="application/merge-patch+json")
        assert changed.value["spec"]["power"]["watts"] == 60
        assert changed.value["metadata"]["generation"] == 2
        assert (await client.get(path("v1", "desk")))["spec"] == {"watts": 60}
        same = await client.call("PATCH", path("v2", "desk"), patch, Content_Type="application/merge-patch+json")
        assert same.value["metadata"]["resourceVersion"] == changed.value["metadata"]["resourceVersion"]
        dry = await client.call(
            "PATCH", path("v2", "desk") + "?dryRun=All", {"spec": {"power": {"watts": 1}}}, Content_Type="application/merge-patch+json"
        )
        assert dry.value["spec"]["power"]["watts"] == 1
        assert (await client.get(path("v1", "desk")))["spec"] == {"watts": 60}

    with_webhook(tmp_path, act)


def test_patches_of_many_at_once_in_both_versions_lose_nothing(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))

        async def label(index: int) -> int:
            patch = {"metadata": {"labels": {f"l{index}": "x"}}}
            version = "v2" if index % 2 else "v1"
            return (await client.call("PATCH", path(version, "desk"), patch, Content_Type="application/merge-patch+json")).status

        assert set(await asyncio.gather(*map(label, range(6)))) == {200}
        assert sorted((await client.get(path("v1", "desk")))["metadata"]["labels"]) == [f"l{i}" for i in range(6)]

    with_webhook(tmp_path, act)


def test_a_write_of_an_older_version_of_the_object_is_a_conflict(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))
        old = await client.get(path("v2", "desk"))
        await client.call("PUT", path("v2", "desk"), {**old, "spec": {"power": {"watts": 50}}})
        assert (await client.call("PUT", path("v2", "desk"), {**old, "spec": {"power": {"watts": 70}}})).status == 409
        assert (await client.get(path("v1", "desk")))["spec"] == {"watts": 50}

    with_webhook(tmp_path, act)


def test_a_watch_and_a_table_show_the_version_that_was_asked_for(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))
        async with client.watch(path("v2") + "?watch=1") as following:
            assert (await following())["object"]["spec"]["power"]["watts"] == 40
            await client.call("POST", path("v1"), lamp("hall", watts=15))
            assert (await following())["object"]["spec"]["power"]["watts"] == 15
        async with client.watch(path("v2") + "?watch=1", Accept=TABLE) as following:
            assert (await following())["object"]["rows"][0]["cells"] == ["desk", 40]
        table = await client.get(path("v2"), Accept=TABLE)
        assert [row["cells"] for row in table["rows"]] == [["desk", 40], ["hall", 15]]
        deleted = await client.call("DELETE", path("v2", "desk"))
        assert deleted.status == 200

    with_webhook(tmp_path, act)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda request: {"result": {"status": "Failed", "message": "spec.watts: too dim"}}, "spec.watts: too dim"),
        (lambda request: {"result": {"status": "Success"}, "convertedObjects": []}, "expected 1 converted objects, got 0"),
        (
            lambda request: {"result": {"status": "Success"}, "convertedObjects": [{"kind": "Lamp", "apiVersion": "x/v2", "metadata": {}}]},
            "expected Lamp in example.org/v2, got 'Lamp' in 'x/v2'",
        ),
        (
            lambda request: {**convert(request), "convertedObjects": [{**lamp("other"), "apiVersion": "example.org/v2"}]},
            "metadata may not change",
        ),
        (lambda request: web.Response(status=503, text="closed for lunch"), "HTTP status 503: closed for lunch"),
        (lambda request: web.Response(text="<html>"), "the answer is not JSON"),
        (lambda request: web.json_response([]), "expected a ConversionReview"),
    ],
)
def test_a_webhook_that_fails_is_told_and_the_stored_version_can_still_be_read(tmp_path: Path, answer: Any, said: str) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))
        for failed in (await client.call("GET", path("v2", "desk")), await client.call("GET", path("v2"))):
            assert failed.status == 500
            assert "conversion webhook for example.org/v1, Kind=Lamp failed" in failed.value["message"]
            assert said in failed.value["message"]
        assert (await client.call("GET", path("v1", "desk"))).status == 200
        assert (
            await client.call("PATCH", path("v1", "desk"), {"spec": {"watts": 2}}, Content_Type="application/merge-patch+json")
        ).status == 200

    with_webhook(tmp_path, act, answer)


def test_a_webhook_that_is_not_there_or_not_certified_is_told(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", convert) as hook, webhook.serve(tmp_path / "other", convert) as other:
            client_config = {**hook.client(), "caBundle": other.ca_bundle}
            await client.call("POST", CRDS, crd(client_config))
            await client.call("POST", path("v1"), lamp("desk"))
            failed = await client.call("GET", path("v2", "desk"))
            assert failed.status == 500
            assert "certificate verify failed" in failed.value["message"].lower()
        gone = await client.call("GET", path("v2", "desk"))
        assert gone.status == 500
        assert f"https://127.0.0.1:{hook.port}/hook" in gone.value["message"]

    serve(tmp_path, act)


def test_a_webhook_behind_a_service_is_reached_there_and_certified_by_its_name(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        async with webhook.serve(tmp_path / "hook", convert, ("lampad.default.svc",)) as hook:
            service = {"namespace": "default", "name": "lampad", "path": "/convert", "port": hook.port}
            await client.call("POST", CRDS, crd({"service": service, "caBundle": hook.ca_bundle}))
            await client.call("POST", path("v1"), lamp("desk"))
            missing = await client.call("GET", path("v2", "desk"))
            assert 'service "lampad" of namespace "default" not found' in missing.value["message"]
            body = {"metadata": {"name": "lampad"}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
            assert (await client.call("POST", "/api/v1/namespaces/default/services", body)).status == 201
            assert (await client.get(path("v2", "desk")))["spec"]["power"]["watts"] == 40

    serve(tmp_path, act)


def test_a_service_is_reached_by_its_endpoints(tmp_path: Path) -> None:
    hook = webhook_client.Client(service=("default", "lampad"), port=443, path="/convert")

    async def act(client: Client) -> None:
        ports = {"ports": [{"name": "web", "port": 443, "targetPort": 8443}, {"name": "other", "port": 80}]}
        await client.call("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "lampad"}, "spec": ports})
        with pytest.raises(Unroutable, match="no endpoints available"):
            reach(client.store, hook)
        subsets = [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"name": "other", "port": 8080}, {"name": "web", "port": 8443}]}]
        made = await client.call("POST", "/api/v1/namespaces/default/endpoints", {"metadata": {"name": "lampad"}, "subsets": subsets})
        assert made.status == 201, made
        with pytest.raises(Unroutable, match="has no port 444"):
            reach(client.store, replace(hook, port=444))
        url, certified = reach(client.store, hook)
        assert certified == "lampad.default.svc"
        assert url == "https://10.1.2.3:8443/convert"

    serve(tmp_path, act)


def test_the_storage_version_may_change_and_what_was_stored_before_stays_readable_and_writable(tmp_path: Path) -> None:
    async def act(client: Client, hook: webhook.Webhook) -> None:
        await client.call("POST", path("v1"), lamp("desk"))
        definition = await client.get(f"{CRDS}/lamps.example.org")
        assert definition["status"]["storedVersions"] == ["v1"]
        changed = {**definition, "spec": {**definition["spec"], "versions": crd(hook.client(), storage="v2")["spec"]["versions"]}}
        answer = await client.call("PUT", f"{CRDS}/lamps.example.org", changed)
        assert answer.value["status"]["storedVersions"] == ["v1", "v2"]
        assert (await client.get(path("v1", "desk")))["spec"] == {"watts": 40}
        assert (await client.get(path("v2", "desk")))["spec"]["power"]["watts"] == 40
        for version, spec in (("v2", {"power": {"watts": 41}}), ("v1", {"watts": 42})):
            patched = await client.call("PATCH", path(version, "desk"), {"spec": spec}, Content_Type="application/merge-patch+json")
            assert patched.status == 200, patched.text
        assert (await client.get(path("v2", "desk")))["spec"]["power"]["watts"] == 42
        without = {**answer.value, "spec": {**answer.value["spec"], "versions": answer.value["spec"]["versions"][1:]}}
        refused = await client.call("PUT", f"{CRDS}/lamps.example.org", without)
        assert refused.status == 422
        assert refused.value["details"]["causes"][0]["field"] == "status.storedVersions[0]"

    with_webhook(tmp_path, act)


def test_without_a_webhook_all_versions_have_one_shape(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        await client.call("POST", CRDS, crd(None))
        await client.call("POST", path("v1"), lamp("desk"))
        assert json.loads((await client.call("GET", path("v2", "desk"))).text)["spec"] == {"watts": 40}

    serve(tmp_path, act)
