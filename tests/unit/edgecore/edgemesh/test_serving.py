"""Services and pods of the board to the proxy's table."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from edgecore.edgemesh.links import links
from edgecore.edgemesh.proxy.table import CLIENT, TURNS, Table, read, written
from edgecore.edgemesh.serving import Mesh, Resident, mesh, nameserver_of, resident_of

DOMAIN = "cluster.local"
HOST = "web.default.svc.cluster.local"


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": "10.96.1.0", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {key: value for key, value in spec.items() if value is not None}}


def resident(name: str, address: str = "10.88.0.5", *, ready: bool = True, app: str = "web", **more: Any) -> Resident:
    return Resident(more.pop("namespace", "default"), name, {"app": app, "x": "y"}, address, ready, **more)


def made(*services: dict[str, Any], residents: tuple[Resident, ...] = (), endpoints: tuple[dict[str, Any], ...] = ()) -> Mesh:
    return mesh(services, endpoints, residents, domain=DOMAIN)


def backends(table: Table, port: int = 80, address: str = "10.96.1.0", protocol: str = "tcp") -> tuple[tuple[str, int], ...]:
    listener = table.listeners.get((protocol, address, port))
    return listener.backends if listener is not None else ()


def test_ready_pods_of_the_namespace_that_the_selector_chooses_get_traffic() -> None:
    pods = (
        resident("b", "10.88.0.6"),
        resident("a", "10.88.0.5"),
        resident("c", "10.88.0.7", ready=False),
        resident("d", "10.88.0.8", app="other"),
        resident("e", "10.88.0.9", namespace="elsewhere"),
        resident("f", ""),
    )
    table = made(service(), residents=pods).table
    assert backends(table) == (("10.88.0.5", 8080), ("10.88.0.6", 8080))
    assert table.names == {HOST: ("10.96.1.0",)} and table.addresses == {"10.96.1.0"}


def test_a_service_without_anybody_behind_it_has_a_name_and_an_address_and_nobody_listens() -> None:
    table = made(service()).table
    assert table.names == {HOST: ("10.96.1.0",)} and table.addresses == {"10.96.1.0"} and not table.listeners


def test_a_target_port_by_name_is_each_pods_own_number() -> None:
    one = resident("a", "10.88.0.5", ports={("http", "TCP"): 80, ("dns", "UDP"): 53})
    other = resident("b", "10.88.0.6", ports={("http", "TCP"): 81})
    ports = [
        {"name": "w", "port": 80, "targetPort": "http"},
        {"name": "d", "port": 53, "targetPort": "dns", "protocol": "UDP"},
        {"name": "plain", "port": 9},
    ]
    table = made(service(ports=ports), residents=(one, other)).table
    assert backends(table) == (("10.88.0.5", 80), ("10.88.0.6", 81))
    assert backends(table, 53, protocol="udp") == (("10.88.0.5", 53),)
    assert backends(table, 9) == (("10.88.0.5", 9), ("10.88.0.6", 9))
    assert table.srv["_w._tcp." + HOST] == ((80, HOST),) and table.srv["_d._udp." + HOST] == ((53, HOST),)


def test_a_headless_service_has_the_addresses_of_its_ready_pods_and_names_those_that_say_theirs() -> None:
    pods = (
        resident("db-0", "10.88.0.5", hostname="db-0", subdomain="web"),
        resident("db-1", "10.88.0.6", hostname="db-1", subdomain="other"),
        resident("db-2", "10.88.0.7", ready=False),
    )
    table = made(service(clusterIP="None"), residents=pods).table
    assert table.names == {HOST: ("10.88.0.5", "10.88.0.6"), f"db-0.{HOST}": ("10.88.0.5",)}
    assert not table.listeners and not table.addresses
    early = made(service(clusterIP="None", publishNotReadyAddresses=True), residents=pods).table
    assert early.names[HOST] == ("10.88.0.5", "10.88.0.6", "10.88.0.7")


def test_a_service_without_a_selector_goes_where_its_endpoints_say_but_never_into_the_board_itself() -> None:
    subsets = [
        {"addresses": [{"ip": "192.168.1.50"}, {"ip": "127.0.0.1"}, {"ip": "169.254.1.1"}], "ports": [{"name": "m", "port": 502}]},
        {"notReadyAddresses": [{"ip": "192.168.1.51"}], "ports": [{"name": "m", "port": 502}]},
        {"addresses": [{"ip": "192.168.1.52"}], "ports": [{"name": "other", "port": 1}]},
    ]
    endpoints = {"metadata": {"name": "web", "namespace": "default"}, "subsets": subsets}
    table = made(service(selector=None, ports=[{"name": "m", "port": 80}]), endpoints=(endpoints,)).table
    assert backends(table) == (("192.168.1.50", 502),)


def test_a_node_port_is_open_on_every_address_while_somebody_is_behind_it() -> None:
    asked = service(type="NodePort", ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}])
    assert not made(asked).table.listeners
    table = made(asked, residents=(resident("a"),)).table
    assert backends(table, 30080, "0.0.0.0") == (("10.88.0.5", 8080),)
    closed = made(service(ports=[{"port": 80, "nodePort": 30080}]), residents=(resident("a"),)).table
    assert not backends(closed, 30080, "0.0.0.0")


def test_a_client_keeps_its_backend_where_the_service_says_so() -> None:
    [plain] = made(service(), residents=(resident("a"),)).table.listeners.values()
    [kept] = made(service(sessionAffinity="ClientIP"), residents=(resident("a"),)).table.listeners.values()
    assert (plain.affinity, kept.affinity) == (TURNS, CLIENT)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "ExternalName", "externalName": "example.com", "clusterIP": None}, "ExternalName"),
        ({"ports": [{"port": 9, "protocol": "SCTP"}]}, "port 9: SCTP"),
        ({"clusterIP": "fd00::1"}, "fd00::1"),
        ({"externalIPs": ["192.0.2.1"]}, "externalIPs"),
    ],
)
def test_what_a_board_does_not_do_is_said(spec: dict[str, Any], words: str) -> None:
    [found] = made(service(**spec), residents=(resident("a"),)).shortcomings
    assert found.key == "default/web" and words in found.text


WHOLE = service(
    type="NodePort",
    sessionAffinity="ClientIP",
    publishNotReadyAddresses=True,
    ports=[{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"}],
)
WRITTEN = {"metadata": WHOLE["metadata"], "subsets": [{"addresses": [{"ip": "192.168.1.50"}], "ports": [{"name": "http", "port": 502}]}]}
JUNK: list[Any] = [None, "x y", "a\nlisten tcp 0.0.0.0 22 turns", -1, 70000, [], {}, [1], [None], [{}], True, 1e308, 2**70]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


def spoilt(obj: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for *path, last in (path for path in places(obj) if path):
        for junk in JUNK:
            changed = copy.deepcopy(obj)
            place: Any = changed
            for step in path:
                place = place[step]
            place[last] = junk
            yield changed


def test_a_service_or_endpoints_with_junk_in_any_place_harms_no_other_and_writes_nothing_odd_into_the_table() -> None:
    good = service("good", clusterIP="10.96.9.9", selector={"app": "good"})
    by_hand = service(selector=None, ports=[{"name": "http", "port": 80}])
    pods = (resident("a", ports={("http", "TCP"): 80}), resident("g", "10.88.0.9", app="good"))
    for services, endpoints in (
        *(((bad, good), (WRITTEN,)) for bad in spoilt(WHOLE)),
        *(((by_hand, good), (bad,)) for bad in spoilt(WRITTEN)),
    ):
        table = made(*services, residents=pods, endpoints=endpoints).table
        assert backends(table, address="10.96.9.9") == (("10.88.0.9", 8080),)
        again = read(written(table))
        assert again.listeners.keys() == table.listeners.keys() and again.names == table.names and again.addresses == table.addresses
        assert {port for _, _, port in table.listeners} <= {80, 30080, *range(1, 2)}
        links(services, "default")


def test_a_table_is_read_as_it_was_written() -> None:
    table = made(
        service(ports=[{"name": "http", "port": 80, "targetPort": 8080}]),
        service("heads", clusterIP="None", ports=[]),
        residents=(resident("a"), resident("b", "10.88.0.6")),
    ).table
    table.dns, table.edgecore, table.serve = "169.254.20.7", 812, {901, 902}
    text = written(table)
    assert written(read(text)) == text
    assert "listen tcp 10.96.1.0 80 turns 10.88.0.5:8080 10.88.0.6:8080\n" in text
    with pytest.raises(ValueError, match="first line"):
        read("bramble-edgemesh 2\n")


def test_a_pod_is_ready_as_its_status_says_unless_it_is_to_go() -> None:
    containers = [
        {"name": "c", "ports": [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]}
    ]
    pod = {"metadata": {"namespace": "default", "name": "a", "labels": {"app": "web"}}, "spec": {"containers": containers}}
    status = {"podIP": "10.88.0.5", "conditions": [{"type": "Ready", "status": "True"}]}
    found = resident_of(pod, status, going=False)
    assert (found.ready, found.address, dict(found.ports)) == (True, "10.88.0.5", {("http", "TCP"): 8080, ("dns", "UDP"): 53})
    assert not resident_of(pod, status, going=True).ready
    assert not resident_of(pod, {"podIP": "10.88.0.5"}, going=False).ready


def test_the_nameserver_of_an_edgecore_is_link_local_and_stays() -> None:
    found = {nameserver_of(f"{number:012x}") for number in range(0, 2**32, 2**24 + 7)}
    assert all(one.startswith("169.254.") and 1 <= int(one.split(".")[2]) <= 126 and 1 <= int(one.split(".")[3]) <= 254 for one in found)
    assert nameserver_of("00000001abcd") == nameserver_of("00000001abcd")


def test_variables_are_those_of_kubernetes_and_of_the_namespace_alone() -> None:
    ports = [{"name": "web-ui", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    other = {**service("far"), "metadata": {"name": "far", "namespace": "elsewhere"}}
    assert links([service("my-web", ports=ports), service("heads", clusterIP="None"), other], "default") == {
        "MY_WEB_SERVICE_HOST": "10.96.1.0",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_WEB_UI": "80",
        "MY_WEB_SERVICE_PORT_DNS": "53",
        "MY_WEB_PORT": "tcp://10.96.1.0:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.96.1.0:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.96.1.0",
        "MY_WEB_PORT_53_UDP": "udp://10.96.1.0:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.96.1.0",
    }
