"""Edged and Services: what the proxy is told, with a container engine and a proxy in memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import ConfigChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.edged.module import EdgedModule
from edgecore.edged.settings import EdgedSettings
from edgecore.edgemesh.proxy.table import Table, read
from edgecore.edgemesh.serving import nameserver_of
from tests.fakes.runtime import FakeEngine
from tests.module.edged.conftest import Stage

SERVICE = ("tcp", "10.96.1.0", 80)


class FakeProxy:
    """Takes every table; ``refuses`` says what it could not do, ``broken`` that it cannot be had at all."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.refuses: dict[str, str] = {}
        self.broken = ""
        self.here = False
        self.laid = threading.Condition()

    def lay(self, text: str) -> dict[str, str]:
        if self.broken:
            raise OSError(self.broken)
        with self.laid:
            self.here = True
            self.tables.append(read(text))
            self.laid.notify_all()
        return self.refuses

    def alive(self) -> bool:
        return self.here

    def adopt(self) -> bool:
        return self.here

    def descriptor(self) -> int | None:
        return None

    def until(self, claim: Callable[[Table], Any], seconds: float = 10.0) -> Table:
        deadline = time.monotonic() + seconds
        with self.laid:
            while not (self.tables and claim(self.tables[-1])):
                assert time.monotonic() < deadline, "not within the time"
                self.laid.wait(0.05)
            return self.tables[-1]


class Served(Stage):
    """The stage with a proxy."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.proxy = FakeProxy()
        self.cluster_dns = ""

    def start(self) -> None:
        self.engine = FakeEngine(self.runtime)
        self.switchboard = Switchboard()
        settings = EdgedSettings("edge1", str(self.root), "0.1.0", node_address="192.168.1.9", cluster_dns=self.cluster_dns)
        module = EdgedModule(settings, self.switchboard, self.meta, self.engine, proxy=self.proxy)
        mailbox = self.switchboard.register(module.name, module.group)
        self.instance = module._instance
        self.thread = threading.Thread(target=module.run, args=(mailbox,), daemon=True)
        self.thread.start()

    def serve(self, name: str = "web", **spec: Any) -> None:
        spec = {"clusterIP": "10.96.1.0", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
        self.meta.objects[("default", "service", name)] = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        self.send(ConfigChanged(f"default/service/{name}"))

    def pod(self, name: str, **spec: Any) -> None:
        container = {"name": "main", "image": "localhost/web:1", **spec.pop("container", {})}
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": {"app": "web"}}
        self.apply({"metadata": metadata, "spec": {"containers": [container], **spec}})

    def network(self, name: str) -> Any:
        return next(spec.network for spec in self.runtime.specs.values() if f"_{name}_default_" in spec.name)


def backends(table: Table) -> list[str]:
    listener = table.listeners.get(SERVICE)
    return sorted(host for host, _ in listener.backends) if listener is not None else []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "edged")
    made.start()
    yield made
    made.stop()


def test_pods_ask_the_proxy_for_names_and_it_knows_who_is_behind_a_service(served: Served) -> None:
    served.serve()
    served.pod("web-1")
    served.wait_phase("web-1", "Running")
    address = served.meta.last_status("web-1")["podIP"]
    table = served.proxy.until(lambda table: backends(table) == [address])
    assert table.dns == nameserver_of(served.instance) and table.edgecore == os.getpid()
    network = served.network("web-1")
    assert network.dns_servers == (table.dns,)
    assert network.dns_searches == ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert network.dns_options == ("ndots:5",)


def test_a_pod_that_is_to_go_gets_no_more_traffic(served: Served) -> None:
    served.serve()
    served.pod("web-1")
    served.pod("web-2")
    for name in ("web-1", "web-2"):
        served.wait_phase(name, "Running")
    address = served.meta.last_status("web-2")["podIP"]
    served.proxy.until(lambda table: len(backends(table)) == 2)
    served.delete("web-1")
    served.proxy.until(lambda table: backends(table) == [address])


def test_a_service_that_goes_is_forgotten(served: Served) -> None:
    served.serve()
    served.pod("web-1")
    served.proxy.until(lambda table: len(backends(table)) == 1)
    del served.meta.objects[("default", "service", "web")]
    served.send(ConfigChanged("default/service/web"))
    table = served.proxy.until(lambda table: not table.listeners)
    assert not table.names and not table.addresses


def test_where_the_proxy_cannot_be_had_pods_ask_the_nodes_servers_and_the_node_says_so(tmp_path: Path) -> None:
    stage = Served(tmp_path / "edged")
    stage.proxy.broken = "no room for it"
    stage.start()
    try:
        stage.pod("web-1")
        stage.wait_phase("web-1", "Running")
        network = stage.network("web-1")
        assert (network.dns_servers, network.dns_searches, network.dns_options) == ((), (), ())
        stage.wait(lambda: any("no room for it" in event["message"] for event in stage.meta.events.values()))
        [event] = [event for event in stage.meta.events.values() if event["reason"] == "ServiceNotServed"]
        assert event["involvedObject"]["kind"] == "Node" and event["type"] == "Warning"
    finally:
        stage.stop()


def test_what_a_service_asks_for_and_a_board_does_not_do_is_an_event_of_the_node(served: Served) -> None:
    served.serve(ports=[{"port": 9, "protocol": "SCTP"}])
    served.pod("web-1")
    served.wait(lambda: any("default/web: port 9: SCTP" in event["message"] for event in served.meta.events.values()))


def test_with_a_dns_server_of_the_users_own_pods_ask_that_one(tmp_path: Path) -> None:
    stage = Served(tmp_path / "edged")
    stage.cluster_dns = "10.96.0.10"
    stage.start()
    try:
        stage.serve()
        stage.pod("web-1")
        stage.wait_phase("web-1", "Running")
        assert stage.network("web-1").dns_servers == ("10.96.0.10",)
    finally:
        stage.stop()


def test_the_next_edgecore_leaves_the_proxys_table_alone_until_it_has_seen_its_pods(served: Served) -> None:
    served.serve()
    served.pod("web-1")
    served.wait_phase("web-1", "Running")
    served.proxy.until(lambda table: len(backends(table)) == 1)
    served.stop()
    before = len(served.proxy.tables)
    served.start()
    served.pod("web-2")
    served.wait_phase("web-2", "Running")
    served.proxy.until(lambda table: len(backends(table)) == 2)
    assert all(backends(table) for table in served.proxy.tables[before:])


def test_variables_of_services_are_there_unless_the_pod_declines(served: Served) -> None:
    served.serve()
    served.pod("with")
    served.pod("without", enableServiceLinks=False)
    for name in ("with", "without"):
        served.wait_phase(name, "Running")
    found = {
        name: dict(next(s.environment for s in served.runtime.specs.values() if f"_{name}_default_" in s.name))
        for name in ("with", "without")
    }
    assert found["with"]["WEB_SERVICE_HOST"] == "10.96.1.0" and found["with"]["WEB_SERVICE_PORT"] == "80"
    assert not any(key.startswith("WEB_") for key in found["without"])
