"""Who stands behind a Service, as Endpoints and as an EndpointSlice."""

from __future__ import annotations

from typing import Any

from cloudstub.controllers import endpoints
from cloudstub.controllers.writes import Create, Delete, Update, Write
from tests.unit.cloudstub.made import NOW, pod


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    spec = {"type": "ClusterIP", "clusterIP": "10.96.1.0", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]} | spec
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": {"tier": "front"}}
    return {"metadata": metadata, "spec": {key: value for key, value in spec.items() if value is not None}}


def behind(name: str, address: str, *, ready: bool = True, **more: Any) -> dict[str, Any]:
    made = pod(name, node="edge1", ready_for=5 if ready else None, **more)
    made["status"] |= {"phase": "Running", "podIP": address}
    return made


def look(services: list[dict[str, Any]], pods: list[dict[str, Any]], stored: list[dict[str, Any]] | None = None) -> list[Write]:
    of = [one for one in stored or [] if one["kind"] == "Endpoints"]
    slices = [one for one in stored or [] if one["kind"] == "EndpointSlice"]
    return endpoints.decide({"services": services, "pods": pods, "endpoints": of, endpoints.SLICES: slices}, NOW)


def objects(writes: list[Write]) -> dict[str, dict[str, Any]]:
    return {write.object["kind"]: write.object for write in writes if isinstance(write, Create | Update)}


def ips(subset: dict[str, Any], field: str = "addresses") -> list[str]:
    return [address["ip"] for address in subset.get(field, [])]


def test_ready_pods_that_the_selector_chooses_get_traffic_and_the_others_are_said_to_be_not_ready() -> None:
    pods = [
        behind("a", "10.0.0.1"),
        behind("b", "10.0.0.2", ready=False),
        behind("c", "10.0.0.3", labels={"app": "other"}),
        behind("d", "10.0.0.4", deleting=True),
    ]
    made = objects(look([service()], pods))
    [subset] = made["Endpoints"]["subsets"]
    assert (ips(subset), ips(subset, "notReadyAddresses")) == (["10.0.0.1"], ["10.0.0.2"])
    assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert subset["addresses"][0]["targetRef"] == {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"}
    slices = made["EndpointSlice"]
    assert [(e["addresses"], e["conditions"]["ready"]) for e in slices["endpoints"]] == [(["10.0.0.1"], True), (["10.0.0.2"], False)]
    assert slices["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert made["Endpoints"]["metadata"]["labels"]["tier"] == "front"


def test_what_is_as_it_should_be_is_not_written_again() -> None:
    pods = [behind("a", "10.0.0.1")]
    stored = list(objects(look([service()], pods)).values())
    assert look([service()], pods, stored) == []
    changed = look([service()], [behind("a", "10.0.0.9")], stored)
    assert [type(write) for write in changed] == [Update, Update]


def test_nobody_behind_a_service_is_said_too() -> None:
    made = objects(look([service()], []))
    assert made["Endpoints"]["subsets"] == [] and made["EndpointSlice"]["endpoints"] == []
    assert look([service()], [], list(made.values())) == []


def test_a_port_by_name_is_each_pods_own() -> None:
    def named(number: int) -> list[dict[str, Any]]:
        return [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": number}]}]

    pods = [behind("a", "10.0.0.1", containers=named(80)), behind("b", "10.0.0.2", containers=named(81)), behind("c", "10.0.0.3")]
    made = objects(look([service(ports=[{"name": "web", "port": 80, "targetPort": "http"}])], pods))
    found = {(tuple(ips(subset)), subset["ports"][0]["port"]) for subset in made["Endpoints"]["subsets"]}
    assert found == {(("10.0.0.1",), 80), (("10.0.0.2",), 81)}


def test_a_service_without_a_selector_keeps_the_endpoints_that_somebody_wrote() -> None:
    by_hand = {"kind": "Endpoints", "metadata": {"name": "plc", "namespace": "default", "uid": "u"}, "subsets": []}
    assert look([service("plc", selector=None)], [behind("a", "10.0.0.1")], [by_hand]) == []
    assert look([], [], [by_hand]) == []


def test_the_endpoints_of_a_service_that_is_gone_go() -> None:
    stored = list(objects(look([service()], [])).values())
    stored[0]["metadata"]["uid"] = "u1"
    assert look([], [], stored) == [Delete("endpoints", "default", "web", "u1")]


def test_a_headless_service_names_its_pods_and_may_publish_those_that_are_not_ready() -> None:
    pods = [behind("db-0", "10.0.0.1", ready=False, hostname="db-0", subdomain="web")]
    made = objects(look([service(clusterIP="None", ports=None, publishNotReadyAddresses=True)], pods))
    [subset] = made["Endpoints"]["subsets"]
    assert subset["addresses"][0]["hostname"] == "db-0" and "ports" not in subset
    assert "service.kubernetes.io/headless" in made["Endpoints"]["metadata"]["labels"]
