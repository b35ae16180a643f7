"""Services on real Podman: names, ports, turns and readiness, without any cloud."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import ConfigChanged
from edgecore.beehive.switchboard import Switchboard
from tests.fakes.meta import FakeMeta
from tests.fakes.podman import Podman
from tests.system.edged.conftest import Board, free_port

pytestmark = pytest.mark.system

PATIENCE = 30.0
"""Seconds for what takes a moment on an idle machine."""
SAYS = 'mkdir -p /tmp; echo "$HOSTNAME" > /tmp/index.html; trap "exit 0" TERM; httpd -p 8080 -h /tmp; while :; do sleep 0.05; done'
"""A web server that says the name of its pod."""
NAMES = ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local")


@pytest.fixture(scope="module")
def board(podman: Podman) -> Iterator[Board]:
    made = Board(podman, FakeMeta(), Switchboard(), Keeper(Switchboard()), proxy=True)
    made.start()
    yield made
    for key in list(made.meta.pods_stored):
        made.delete(key.rpartition("/")[2])
    made.stop()
    end_proxy(podman)


def end_proxy(podman: Podman) -> None:
    for pid in proxies(podman):
        os.kill(pid, signal.SIGTERM)


def proxies(podman: Podman) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"edgemesh.* {podman.root}/edgemesh"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def address(number: int) -> str:
    """Of a Service; another one in each run, because tests of other trees may have taken some."""
    return f"10.111.{os.getpid() % 250}.{number}"


def told(podman: Podman) -> str:
    """What the proxy was told, and what came of it."""
    return "".join((podman.root / "edgemesh" / name).read_text() for name in ("table", "state", "log"))


def listens(podman: Podman, number: int) -> bool:
    return f"listen tcp {address(number)} " in told(podman)


def serve(board: Board, name: str, **spec: Any) -> None:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    board.meta.objects[("default", "service", name)] = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    board.switchboard.send("edged", ConfigChanged(f"default/service/{name}"))


def web(board: Board, name: str, app: str = "web", **container: Any) -> None:
    container.setdefault("ports", [{"name": "http", "containerPort": 8080}])
    document = board.pod(name, "/bin/sh", "-c", SAYS, **container)
    document["metadata"]["labels"] = {"app": app}
    document["spec"]["hostname"] = name
    board.apply(document)


def fetch(board: Board, where: str, *, pod: str = "caller") -> str:
    """What the web server there says to a pod; empty where nobody answers."""
    try:
        return board.inside(pod, "timeout", "5", "wget", "-q", "-O", "-", f"http://{where}/")
    except AssertionError as exc:
        refusals.append(str(exc))
        return ""


refusals: list[str] = []
"""Why ``fetch`` heard nothing; the newest last."""


def from_the_host(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""


def within(seconds: float, claim: Callable[[], Any], why: Callable[[], object] = lambda: "") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < deadline, f"not within the time: {why()}"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def called(board: Board) -> Board:
    """A caller that was there before the Service, and two pods behind it."""
    board.apply(board.pod("caller"))
    board.running("caller")
    web(board, "web-1")
    web(board, "web-2")
    serve(board, "web", clusterIP=address(1))
    for name in ("web-1", "web-2"):
        board.running(name)
    within(PATIENCE, lambda: fetch(board, "web"), lambda: told(board.podman))
    return board


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_reaches_a_service_by_each_of_its_names(called: Board, name: str) -> None:
    assert fetch(called, name) in ("web-1", "web-2")


def test_connections_go_to_the_backends_in_turn(called: Board) -> None:
    assert Counter(fetch(called, "web") for _ in range(10)) == {"web-1": 5, "web-2": 5}


def test_nslookup_and_names_that_are_not_there(called: Board) -> None:
    assert address(1) in called.inside("caller", "nslookup", "web.default.svc.cluster.local")
    assert "NXDOMAIN" in called.inside("caller", "sh", "-c", "nslookup nobody.default.svc.cluster.local 2>&1 || true")
    resolv = called.inside("caller", "cat", "/etc/resolv.conf")
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in resolv and "ndots:5" in resolv


def test_a_pod_that_is_not_ready_gets_nothing_and_a_change_is_felt_within_a_second(called: Board) -> None:
    web(called, "moody-1", "moody", readinessProbe={"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1})
    web(called, "moody-2", "moody")
    serve(called, "moody", clusterIP=address(2))
    for name in ("moody-1", "moody-2"):
        called.running(name)
    within(PATIENCE, lambda: {fetch(called, "moody") for _ in range(4)} == {"moody-1", "moody-2"})

    def is_ready() -> bool:
        return bool(called.meta.last_status("moody-1")["containerStatuses"][0]["ready"])

    called.inside("moody-1", "touch", "/tmp/sick")
    called.meta.wait_for(lambda: not is_ready(), PATIENCE)
    address_of = {name: called.meta.last_status(name)["podIP"] for name in ("moody-1", "moody-2")}
    within(1, lambda: f"{address_of['moody-1']}:8080" not in told(called.podman))
    assert {fetch(called, "moody") for _ in range(4)} == {"moody-2"}
    called.delete("moody-2")
    within(PATIENCE, lambda: not listens(called.podman, 2))
    assert fetch(called, "moody") == ""
    called.inside("moody-1", "rm", "/tmp/sick")
    called.meta.wait_for(is_ready, PATIENCE)
    within(1, lambda: listens(called.podman, 2))
    assert fetch(called, "moody") == "moody-1"


def test_pods_that_come_and_go_cut_nobody_else_off(called: Board) -> None:
    """The bridge keeps its hardware address, which the neighbours have learned (decision 0089)."""
    bridge = Path("/sys/class/net/podman0/address")
    before = bridge.read_text()
    for number in range(6):
        name = f"passing-{number}"
        called.apply(called.pod(name))
        called.running(name)
        assert fetch(called, "web") in ("web-1", "web-2"), refusals[-1]
    for number in range(6):
        called.delete(f"passing-{number}")
    within(PATIENCE, lambda: "passing" not in called.podman.run("ps", "-a", "--format", "{{.Names}}"))
    assert fetch(called, "web") in ("web-1", "web-2"), refusals[-1]
    assert bridge.read_text() == before


def test_ports_by_name_and_node_ports(called: Board) -> None:
    port = free_port()
    ports = [{"name": "a", "port": 8000, "targetPort": "http", "nodePort": port}, {"name": "b", "port": 81, "targetPort": "absent"}]
    serve(called, "named", clusterIP=address(3), type="NodePort", selector={"app": "web"}, ports=ports)
    within(PATIENCE, lambda: fetch(called, "named:8000"))
    assert fetch(called, "named:81") == ""
    assert from_the_host(port) in ("web-1", "web-2")


def test_a_headless_service_names_its_pods_and_a_pod_with_several_containers_asks_too(called: Board) -> None:
    serve(called, "heads", clusterIP="None", selector={"app": "web"}, ports=[])
    document = called.pod("pair")
    document["spec"]["containers"].append({**document["spec"]["containers"][0], "name": "second"})
    called.apply(document)
    called.running("pair")
    wanted = {called.meta.last_status(name)["podIP"] for name in ("web-1", "web-2")}
    within(PATIENCE, lambda: all(one in called.inside("pair", "nslookup", "heads.default.svc.cluster.local") for one in wanted))
    assert fetch(called, "web", pod="pair") in ("web-1", "web-2")


def test_a_pod_on_the_hosts_network_asks_for_services_where_it_says_so(called: Board) -> None:
    document = called.pod("onhost")
    document["spec"] |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    called.apply(document)
    called.running("onhost")
    assert fetch(called, "web.default", pod="onhost") in ("web-1", "web-2")


def test_a_pod_with_dns_policy_default_asks_the_nodes_servers_only(called: Board) -> None:
    document = called.pod("plainly")
    document["spec"]["dnsPolicy"] = "Default"
    called.apply(document)
    called.running("plainly")
    assert fetch(called, "web", pod="plainly") == ""
    assert "169.254." not in called.inside("plainly", "cat", "/etc/resolv.conf")


def test_variables_name_the_services_that_were_there_first(called: Board) -> None:
    called.apply(called.pod("late"))
    called.running("late")
    variables = dict(line.partition("=")[::2] for line in called.inside("late", "env").splitlines())
    assert (variables["WEB_SERVICE_HOST"], variables["WEB_SERVICE_PORT"]) == (address(1), "80")
    assert variables["WEB_PORT_80_TCP"] == f"tcp://{address(1)}:80"


def asked(asker: socket.socket, device: socket.socket, where: tuple[str, int]) -> Any:
    """What the device hears, and from whom; a datagram that is sent before the proxy listens is lost."""
    try:
        asker.sendto(b"reading?", where)
        return device.recvfrom(100)
    except OSError:
        return None


def test_datagrams_find_their_way_through_a_service_whose_endpoints_somebody_wrote(called: Board) -> None:
    """Its backend is in the LAN, as a device would be: here it is the machine itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("192.0.2.1", 9))
        device.bind((client.getsockname()[0], 0))
        host, port = device.getsockname()
        subsets = [{"addresses": [{"ip": host}], "ports": [{"port": port, "protocol": "UDP"}]}]
        called.meta.objects[("default", "endpoints", "plc")] = {"metadata": {"name": "plc", "namespace": "default"}, "subsets": subsets}
        serve(called, "plc", clusterIP=address(4), selector={}, ports=[{"port": 7, "protocol": "UDP"}])
        device.settimeout(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(PATIENCE)
            question, proxy = within(PATIENCE, lambda: asked(asker, device, (address(4), 7)))
            device.sendto(b"21.5", proxy)
            assert (question, asker.recvfrom(100)) == (b"reading?", (b"21.5", (address(4), 7)))


def test_the_end_of_edgecore_cuts_neither_names_nor_connections(called: Board, podman: Podman) -> None:
    [proxy] = proxies(podman)
    called.stop()
    try:
        within(PATIENCE, lambda: fetch(called, "web.default"), lambda: refusals[-3:])
    finally:
        called.start()
    called.switchboard.send("edged", ConfigChanged("default/service/web"))
    within(PATIENCE, lambda: f"edgecore {os.getpid()}" in (podman.root / "edgemesh/table").read_text())
    for _ in range(20):
        assert fetch(called, "web") in ("web-1", "web-2")
    assert proxies(podman) == [proxy]


def test_a_proxy_that_is_killed_is_replaced(called: Board, podman: Podman) -> None:
    [proxy] = proxies(podman)
    os.kill(proxy, signal.SIGKILL)
    within(PATIENCE, lambda: proxies(podman) not in ([], [proxy]))
    within(PATIENCE, lambda: fetch(called, "web"))
    assert proxies(podman) != [proxy]


def test_what_stands_in_the_way_of_a_service_is_said_and_done_when_it_is_gone(called: Board) -> None:
    with socket.create_server(("0.0.0.0", 0)) as holder:
        port = holder.getsockname()[1]
        ports = [{"port": 80, "targetPort": 8080, "nodePort": port}]
        serve(called, "taken", clusterIP=address(5), type="NodePort", selector={"app": "web"}, ports=ports)
        called.meta.wait_for(lambda: any(f"port {port}/tcp" in event["message"] for event in called.meta.events.values()), PATIENCE)
        assert fetch(called, "taken") in ("web-1", "web-2")
    within(PATIENCE, lambda: from_the_host(port) in ("web-1", "web-2"))


def test_strangers_and_containers_of_pods_are_left_as_they_are(called: Board, podman: Podman) -> None:
    stranger = podman.run("run", "-d", podman.image, "/bin/sh", "-c", "while :; do sleep 1; done")
    try:
        before = {
            one: podman.run("inspect", "-f", "{{.State.StartedAt}} {{.NetworkSettings.IPAddress}}", one)
            for one in (*podman.ids(), stranger)
        }
        serve(called, "more", clusterIP=address(6), selector={"app": "web"})
        within(PATIENCE, lambda: fetch(called, "more"), lambda: told(podman))
        del called.meta.objects[("default", "service", "more")]
        called.switchboard.send("edged", ConfigChanged("default/service/more"))
        within(PATIENCE, lambda: fetch(called, "more") == "")
        after = {one: podman.run("inspect", "-f", "{{.State.StartedAt}} {{.NetworkSettings.IPAddress}}", one) for one in before}
        assert after == before
        assert "169.254." not in podman.run("exec", stranger, "cat", "/etc/resolv.conf")
    finally:
        podman.run("rm", "-f", "-t", "0", stranger)


def test_nothing_is_left_when_edgecore_and_its_containers_are_gone(called: Board, podman: Podman) -> None:
    [proxy] = proxies(podman)
    mine = Path(podman.root / "edgemesh/addresses").read_text().split()
    assert address(1) in mine
    for key in list(called.meta.pods_stored):
        called.delete(key.rpartition("/")[2])
    called.meta.wait_for(lambda: not podman.ids(), 30)
    within(PATIENCE, lambda: "listen tcp" not in (podman.root / "edgemesh/table").read_text(), lambda: told(podman))
    assert proxies(podman) == [proxy]
    called.stop()
    # This process is the EdgeCore that the proxy knows; a table without it says what its end would.
    table = podman.root / "edgemesh/table"
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if not line.startswith("edgecore")))
    os.kill(proxy, signal.SIGHUP)
    within(PATIENCE, lambda: not proxies(podman))
    routes = subprocess.run(["ip", "route", "show", "table", "local"], capture_output=True, text=True, check=True).stdout
    assert address(1) not in routes
