"""Which Services and Endpoints boards are owed (P5.10), on a fake API server with real informers."""

from __future__ import annotations

from typing import Any

from cloudcore.kube.resources import ENDPOINTS, PODS, SERVICES
from tests.fakes.downlink import until
from tests.module.cloudcore.building import Cloud, cloud, in_loop

INSERTED, CHANGED, DELETED = "insert", "update", "delete"


def pod(name: str = "web", node: str = "edge1", namespace: str = "default") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}, "status": {"phase": "Pending"}}


def service(name: str = "web", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": "10.96.1.0", "ports": [{"port": 80}], "selector": {"app": name}} | spec
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {key: value for key, value in spec.items() if value is not None}}


def endpoints(name: str = "web", address: str = "192.168.1.5") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 502}]}]}


def held(at: Cloud, node: str = "edge1") -> set[str]:
    return {key for key, _, _ in at.edge.holdings(node)}


def about_services(at: Cloud, node: str = "edge1") -> list[tuple[str, str]]:
    return [(word, key) for word, key in at.hub.said(node) if "/pod/" not in key]


@in_loop
async def test_a_board_gets_the_services_of_the_namespaces_in_which_it_has_pods_before_the_pod() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(SERVICES, service())
        at.kube.put(SERVICES, service("other", "elsewhere"))
        await until(lambda: at.edge._downstream._services._services.get("elsewhere", "other"))
        at.kube.put(PODS, pod())
        await until(lambda: len(at.hub.offers) == 2)
        assert at.hub.said("edge1") == [(INSERTED, "default/service/web"), (INSERTED, "default/pod/web")]
        assert held(at) == {"default/service/web", "default/pod/web"}
        assert held(at, "edge2") == set()
        assert at.edge.owed_one("edge1", "elsewhere/service/other") is None


@in_loop
async def test_a_service_leaves_a_board_with_the_last_pod_of_its_namespace() -> None:
    async with cloud("edge1") as at:
        at.kube.put(SERVICES, service())
        at.kube.put(PODS, pod("one"))
        at.kube.put(PODS, pod("two"))
        await until(lambda: len(held(at)) == 3)
        await at.kube.delete(PODS, "default", "one", grace_seconds=0)
        await until(lambda: (DELETED, "default/pod/one") in at.hub.said("edge1"))
        assert "default/service/web" in held(at)
        await at.kube.delete(PODS, "default", "two", grace_seconds=0)
        await until(lambda: (DELETED, "default/service/web") in at.hub.said("edge1"))
        assert held(at) == set()


@in_loop
async def test_changes_of_a_service_reach_the_boards_that_hold_it() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(PODS, pod())
        at.kube.put(PODS, pod("far", "edge2", "elsewhere"))
        at.kube.put(SERVICES, service())
        at.kube.put(SERVICES, service(ports=[{"port": 81}]))
        await at.kube.delete(SERVICES, "default", "web")
        await until(lambda: len(about_services(at)) == 3)
        assert about_services(at) == [(word, "default/service/web") for word in (INSERTED, CHANGED, DELETED)]
        assert about_services(at, "edge2") == []


@in_loop
async def test_endpoints_go_down_only_where_no_selector_says_who_is_behind_a_service() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        at.kube.put(ENDPOINTS, endpoints("web"))
        at.kube.put(SERVICES, service("web"))
        at.kube.put(SERVICES, service("plc", selector=None))
        at.kube.put(ENDPOINTS, endpoints("plc"))
        await until(lambda: "default/endpoints/plc" in held(at))
        at.kube.put(ENDPOINTS, endpoints("plc", "192.168.1.6"))
        await until(lambda: (CHANGED, "default/endpoints/plc") in about_services(at))
        assert "default/endpoints/web" not in held(at)
        assert "default/endpoints/web" not in {key for _, key in at.hub.said("edge1")}


@in_loop
async def test_a_service_that_loses_its_selector_brings_its_endpoints_and_one_that_gets_one_takes_them_away() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        at.kube.put(SERVICES, service())
        at.kube.put(ENDPOINTS, endpoints())
        await until(lambda: "default/service/web" in held(at))
        at.kube.put(SERVICES, service(selector=None))
        await until(lambda: (INSERTED, "default/endpoints/web") in about_services(at))
        at.kube.put(SERVICES, service())
        await until(lambda: (DELETED, "default/endpoints/web") in about_services(at))
        assert "default/endpoints/web" not in held(at)


@in_loop
async def test_a_board_is_not_said_to_lack_services_where_it_never_acknowledges_any() -> None:
    """The other end may be KubeEdge's edge, which is not sent them: saying them again for ever would help nobody."""
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        at.kube.put(SERVICES, service())
        await until(lambda: about_services(at))
        at.hub.offers.clear()
        await at.sync.look()
        await at.sync.look()
        assert about_services(at) == []
