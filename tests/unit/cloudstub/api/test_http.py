"""The API over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloudstub.api.serving import Client, serve
from tests.unit.cloudstub.verbs.worlds import definition, deployment, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def configmap(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Bearer ", "Basic YWRtaW46eA==", "secret-token"])
def test_nobody_unknown_is_answered(tmp_path: Path, authorization: str) -> None:
    async def act(client: Client) -> None:
        for path in ("/api/v1/pods", "/version", "/apis", "/", "/openapi/v3", "/nowhere"):
            answer = await client.call("GET", path, Authorization=authorization)
            assert answer.status == 401 and answer.value["reason"] == "Unauthorized"
        for path in ("/livez", "/readyz", "/healthz"):
            assert (await client.call("GET", path, Authorization="")).status == 200
        refused = await client.call("POST", CONFIGMAPS, configmap(), Authorization=authorization)
        assert refused.status == 401 and client.store.count("configmaps") == 0

    serve(tmp_path, act)


def test_an_object_goes_through_its_life(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        made = await client.call("POST", CONFIGMAPS, configmap(k="1"))
        assert made.status == 201 and made.value["metadata"]["resourceVersion"]
        assert (await client.get(f"{CONFIGMAPS}/a")) == made.value
        replaced = await client.call("PUT", f"{CONFIGMAPS}/a", {**made.value, "data": {"k": "2"}})
        assert replaced.status == 200 and replaced.value["data"] == {"k": "2"}
        stale = await client.call("PUT", f"{CONFIGMAPS}/a", {**made.value, "data": {"k": "3"}})
        assert stale.status == 409 and stale.value["reason"] == "Conflict"
        patched = await client.call("PATCH", f"{CONFIGMAPS}/a", {"data": {"j": "4"}}, Content_Type="application/merge-patch+json")
        assert patched.value["data"] == {"k": "2", "j": "4"}
        listed = await client.get(CONFIGMAPS)
        assert listed["kind"] == "ConfigMapList" and listed["items"] == [patched.value]
        gone = await client.call("DELETE", f"{CONFIGMAPS}/a")
        assert gone.status == 200 and gone.value["status"] == "Success"
        missing = await client.call("GET", f"{CONFIGMAPS}/a")
        assert missing.status == 404
        assert missing.value["message"] == 'configmaps "a" not found'
        assert missing.value["details"] == {"name": "a", "kind": "configmaps"}

    serve(tmp_path, act)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"", "application/json", 400, "empty"),
        (b"{", "application/json", 400, "not JSON"),
        (b'{"metadata": {"na', "application/json", 400, "not JSON"),
        (b"\xff\xfe\x00garbage", "application/json", 400, "not JSON"),
        (b'{"a": NaN}', "application/json", 400, "not a JSON number"),
        (b'{"a": 1e999}', "application/json", 400, "larger than any number"),
        (b'{"a": "\\ud800"}', "application/json", 400, "half of a surrogate pair"),
        (b"[1]", "application/json", 400, "must be a JSON object"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", 400, "nested deeper"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "application/json", 400, "nested deeper"),
        (b"a: [", "application/yaml", 400, "not YAML"),
        (b"a: &x [1]\nb: *x", "application/yaml", 400, "aliases"),
        (b"a: !!python/object/apply:os.system [ls]", "application/yaml", 400, "not YAML"),
        (b"a: !!bool maybe", "application/yaml", 400, "not YAML"),
        (b"a: !!int ''", "application/yaml", 400, "not YAML"),
        (b"a: !!timestamp never", "application/yaml", 400, "not YAML"),
        (b"a: !!binary aGVsbG8=", "application/yaml", 400, "not YAML"),
        (b"[" * 100_000, "application/yaml", 400, "nested deeper"),
        (b"a: b\n" * 200_000, "application/yaml", 413, "limit for YAML"),
        (b"x", "text/plain", 415, "unknown format"),
        (b"x", "application/vnd.kubernetes.protobuf", 400, "does not begin with"),
        (b"k8s\x00\xff\xff\xff", "application/vnd.kubernetes.protobuf", 400, "broken protobuf"),
        (b"{}" + b" " * (3 * 1024 * 1024), "application/json", 413, "limit is 3145728 bytes"),
        (gzip.compress(b" " * (40 * 1024 * 1024)), "gzip", 413, "limit"),
    ],
)
def test_a_bad_body_is_named_and_changes_nothing(tmp_path: Path, body: bytes, content_type: str, status: int, words: str) -> None:
    async def act(client: Client) -> None:
        before = client.store.revision
        headers = {"Content_Type": content_type}
        if content_type == "gzip":
            headers = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
        answer = await client.call("POST", CONFIGMAPS, body, **headers)
        assert answer.status == status and words in answer.value["message"]
        assert answer.value["kind"] == "Status" and client.store.revision == before

    serve(tmp_path, act)


def test_half_a_request_changes_nothing_and_the_server_goes_on(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        before = client.store.revision
        body = json.dumps(configmap())
        head = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-token\r\nContent-Length: {len(body)}\r\n\r\n"
        for part in (head + body[:20], head[:40], "\x00\x01garbage\r\n\r\n", "GET /" + "x" * 100_000, head[:-2] + "X: " + "y" * 70_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(part.encode())
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
        assert client.store.revision == before
        assert (await client.call("GET", CONFIGMAPS)).status == 200

    serve(tmp_path, act)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/unknowns", 404),
        ("GET", "/apis/nowhere.io/v1/things", 404),
        ("GET", "/apis/apps/v2/deployments", 404),
        ("GET", "/api/v1/namespaces/default/pods/a/b/c", 404),
        ("GET", "/api/v1/namespaces/default//pods", 404),
        ("GET", f"{PODS}/a/log", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("POST", "/api/v1/pods", 404),
        ("PUT", PODS, 404),
        ("OPTIONS", PODS, 405),
        ("POST", "/version", 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("GET", f"{PODS}?limit=x", 400),
        ("GET", f"{PODS}?labelSelector=a%3Db%3Dc", 400),
        ("GET", f"{PODS}?watch=perhaps", 400),
        ("GET", f"{PODS}?resourceVersionMatch=Odd", 400),
        ("GET", f"{PODS}?watch=1&timeoutSeconds=-5", 400),
        ("DELETE", "/api/v1/pods", 400),
        ("POST", f"{CONFIGMAPS}?dryRun=Some", 400),
        ("POST", f"{CONFIGMAPS}?fieldValidation=Odd", 400),
    ],
)
def test_what_is_not_served_is_a_status(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def act(client: Client) -> None:
        answer = await client.call(method, path, configmap() if method in ("POST", "PUT") else None)
        assert (answer.status, answer.value["kind"]) == (status, "Status"), answer

    serve(tmp_path, act)


def test_a_format_that_is_not_served_is_not_acceptable(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        assert (await client.call("GET", PODS, Accept="application/xml")).status == 406
        assert (await client.call("GET", PODS, Accept="application/vnd.kubernetes.protobuf,application/json")).status == 200

    serve(tmp_path, act)


def test_a_watch_tells_what_happens_and_its_lines_are_whole(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        await client.call("POST", CONFIGMAPS, configmap("a"))
        listed = await client.get(CONFIGMAPS)
        version = listed["metadata"]["resourceVersion"]
        async with client.watch(f"{CONFIGMAPS}?watch=1&resourceVersion={version}") as following:
            await client.call("POST", CONFIGMAPS, configmap("b"))
            await client.call("DELETE", f"{CONFIGMAPS}/a")
            first, second = await following(), await following()
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "b")
        assert (second["type"], second["object"]["metadata"]["name"]) == ("DELETED", "a")

    serve(tmp_path, act)


def test_a_watch_starts_with_what_is_there(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        await client.call("POST", CONFIGMAPS, configmap("a"))
        async with client.watch(f"{CONFIGMAPS}?watch=true") as following:
            assert (await following())["type"] == "ADDED"
        initial = f"{CONFIGMAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        async with client.watch(initial) as following:
            assert (await following())["type"] == "ADDED"
            mark = await following()
            assert mark["type"] == "BOOKMARK"
            assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    serve(tmp_path, act)


def test_a_watch_ends_after_its_time_and_marks_its_place_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudstub.api.watch_stream.BOOKMARK_SECONDS", 0.05)

    async def act(client: Client) -> None:
        await client.call("POST", CONFIGMAPS, configmap("a"))
        path = f"{PODS}?watch=1&allowWatchBookmarks=1&timeoutSeconds=1&resourceVersion=1"
        async with client.watch(path) as following:
            mark = await following()
            assert mark["type"] == "BOOKMARK" and mark["object"]["kind"] == "Pod"
            assert mark["object"]["metadata"]["resourceVersion"] == str(client.store.revision)
            while await following():
                pass

    serve(tmp_path, act)


def test_a_watch_from_a_forgotten_or_a_future_revision_is_told_to_list_again(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for name in ("a", "b"):
            await client.call("POST", CONFIGMAPS, configmap(name))
        client.store.compact(keep_newest=0, max_age_ms=0)
        for version in (1, 10_000):
            async with client.watch(f"{CONFIGMAPS}?watch=1&resourceVersion={version}") as following:
                event = await following()
                assert event["type"] == "ERROR"
                assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")

    serve(tmp_path, act)


def test_a_client_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        async with client.watch(f"{CONFIGMAPS}?watch=1"):
            assert len(client.store.broadcast) == 1
        async with asyncio.timeout(5):
            while len(client.store.broadcast):
                await asyncio.sleep(0.01)

    serve(tmp_path, act)


def test_tables_have_the_columns_of_the_kind(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        await client.call("POST", PODS, pod())
        table = await client.get(PODS, Accept=TABLE)
        assert [column["name"] for column in table["columnDefinitions"]][:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
        assert table["rows"][0]["cells"][:4] == ["web", "0/1", "Pending", "0"]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        one = await client.get(f"{PODS}/web?includeObject=Object", Accept=TABLE)
        assert one["rows"][0]["object"]["spec"]["containers"]
        async with client.watch(f"{PODS}?watch=1", Accept=TABLE) as following:
            event = await following()
            assert event["object"]["kind"] == "Table" and event["object"]["rows"][0]["cells"][0] == "web"
        partial = await client.get(PODS, Accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        assert partial["kind"] == "PartialObjectMetadataList" and "spec" not in partial["items"][0]

    serve(tmp_path, act)


def test_a_custom_kind_is_found_shown_and_checked(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", **definition(versions=("v1", "v2"))}
        assert (await client.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)).status == 201
        found = await client.get("/apis/example.com/v1")
        assert [r["name"] for r in found["resources"]] == ["widgets", "widgets/status"]
        assert (await client.get("/apis/example.com"))["preferredVersion"]["version"] == "v2"
        base = "/apis/example.com/v2/namespaces/default/widgets"
        bad = await client.call("POST", base, {"metadata": {"name": "w"}, "spec": {"size": "x"}})
        assert bad.status == 422 and bad.value["details"]["causes"][0]["field"] == "spec.size"
        warned = await client.call("POST", base, {"metadata": {"name": "w"}, "spec": {"size": 1, "odd": 1}})
        assert warned.status == 201 and 'unknown field \\"spec.odd\\"' in warned.headers["Warning"]
        assert warned.value["apiVersion"] == "example.com/v2"
        assert (await client.get("/apis/example.com/v1/widgets"))["items"][0]["apiVersion"] == "example.com/v1"
        table = await client.get("/apis/example.com/v1/widgets", Accept=TABLE)
        assert table["rows"][0]["cells"] == ["w", 1]
        schema = (await client.get("/openapi/v3/apis/example.com/v1"))["components"]["schemas"]["com.example.v1.Widget"]
        assert schema["properties"]["spec"]["required"] == ["size"]

    serve(tmp_path, act)


def test_discovery_says_everything_once(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        together = await client.get("/apis", Accept=wanted)
        classic = await client.get("/apis")
        assert [g["metadata"]["name"] for g in together["items"]] == [g["name"] for g in classic["groups"]]
        core = await client.get("/api", Accept=wanted)
        by_name = {r["resource"]: r for r in core["items"][0]["versions"][0]["resources"]}
        assert by_name["pods"]["shortNames"] == ["po"] and by_name["nodes"]["scope"] == "Cluster"
        for group in classic["groups"]:
            for version in group["versions"]:
                assert (await client.get(f"/apis/{version['groupVersion']}"))["resources"]
        index = await client.get("/openapi/v3")
        for link in index["paths"].values():
            assert (await client.get(link["serverRelativeURL"]))["paths"]

    serve(tmp_path, act)


def test_kubectl_before_1_24_gets_the_old_description_in_the_form_that_it_reads(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        accept = {"Authorization": "Bearer secret-token", "Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
        async with client.session.get(f"{client.url}/openapi/v2", headers=accept) as answer:
            body = await answer.read()
        assert answer.status == 200 and body.startswith(b"\n\x032.0\x12") and body.endswith(b"B\x00")
        assert (await client.get("/openapi/v2"))["swagger"] == "2.0"

    serve(tmp_path, act)


def test_questions_about_access_are_answered(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        asked = await client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}})
        assert asked.status == 201 and asked.value["status"]["allowed"] is True
        reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
        known = await client.call("POST", reviews, {"spec": {"token": "secret-token"}})
        assert known.value["status"]["user"]["username"] == "admin"
        assert (await client.call("POST", reviews, {"spec": {"token": "x"}})).value["status"] == {"authenticated": False}
        assert (await client.call("POST", reviews, [])).status == 400

    serve(tmp_path, act)


def test_subresources_have_their_own_doors(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        await client.call("POST", PODS, pod())
        bound = await client.call("POST", f"{PODS}/web/binding", {"target": {"name": "n1"}})
        assert bound.status == 201 and bound.value["status"] == "Success"
        merge = "application/merge-patch+json"
        told = await client.call("PATCH", f"{PODS}/web/status", {"status": {"phase": "Running"}}, Content_Type=merge)
        assert told.value["status"]["phase"] == "Running" and told.value["spec"]["nodeName"] == "n1"
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        await client.call("POST", deployments, deployment())
        scaled = await client.call("PATCH", f"{deployments}/web/scale", {"spec": {"replicas": 7}}, Content_Type=merge)
        assert scaled.value["kind"] == "Scale" and (await client.get(f"{deployments}/web"))["spec"]["replicas"] == 7

    serve(tmp_path, act)


def test_a_collection_goes_by_its_selector(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
            await client.call("POST", CONFIGMAPS, {**configmap(), "metadata": {"name": name, "labels": {"l": label}}})
        gone = await client.call("DELETE", f"{CONFIGMAPS}?labelSelector=l%3Dx")
        assert [item["metadata"]["name"] for item in gone.value["items"]] == ["a", "b"]
        assert [item["metadata"]["name"] for item in (await client.get(CONFIGMAPS))["items"]] == ["c"]

    serve(tmp_path, act)


def test_of_many_writers_with_one_version_one_wins(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        made = (await client.call("POST", CONFIGMAPS, configmap(k="0"))).value
        answers = await asyncio.gather(*(client.call("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"k": str(i)}}) for i in range(1, 21)))
        assert sorted(answer.status for answer in answers) == [200, *[409] * 19]
        winner = next(answer for answer in answers if answer.status == 200)
        assert await client.get(f"{CONFIGMAPS}/a") == winner.value

    serve(tmp_path, act)


def test_a_watcher_that_stops_reading_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudstub.api.watch_stream.STALL_SECONDS", 0.2)

    async def act(client: Client) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1024)
        writer.write(f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-token\r\n\r\n".encode())
        await reader.readline()
        async with asyncio.timeout(20):
            for i in range(1000):
                await client.call("POST", CONFIGMAPS, configmap(f"c{i}", text="x" * 500_000))
                if not len(client.store.broadcast):
                    break
        assert not len(client.store.broadcast)
        writer.close()

    serve(tmp_path, act)
