from __future__ import annotations

from typing import Any

import pytest

from edgecore.containers import podman_wire as wire
from edgecore.containers.labels import MANAGED, instance_of, is_ours
from edgecore.containers.model import ContainerSpec, Mount, MountKind, Network, PortMapping, Resources, SandboxSpec, Security, State
from edgecore.containers.podman_wire import (
    container_body,
    container_from_inspect,
    container_from_list,
    epoch,
    happening_from_event,
    reason,
    sandbox_body,
    sandbox_from_list,
)


def test_a_container_with_its_own_network_is_described_in_full() -> None:
    spec = ContainerSpec(
        name="n",
        image="i",
        labels=(("a", "b"),),
        entrypoint=("/bin/x",),
        arguments=("y",),
        environment=(("K", "v"),),
        work_dir="/w",
        mounts=(Mount("/src", "/dst", read_only=True),),
        resources=Resources(512, 50_000, 1000),
        security=Security(user="1:2", groups=("7",), add_capabilities=("NET_ADMIN",), drop_capabilities=("ALL",), no_new_privileges=True),
        network=Network(hostname="h", ports=(PortMapping(80, 8080, "127.0.0.1"),), hosts=(("db", "1.2.3.4"),), address="10.88.0.9"),
    )
    body = container_body(spec)
    assert (body["entrypoint"], body["command"], body["env"], body["work_dir"], body["user"]) == (
        ["/bin/x"],
        ["y"],
        {"K": "v"},
        "/w",
        "1:2",
    )
    assert body["mounts"] == [{"type": "bind", "source": "/src", "destination": "/dst", "options": ["rbind", "ro"]}]
    assert body["resource_limits"] == {"cpu": {"shares": 512, "quota": 50_000, "period": 100_000}, "memory": {"limit": 1000}}
    assert body["portmappings"] == [{"container_port": 80, "host_port": 8080, "host_ip": "127.0.0.1", "protocol": "tcp"}]
    assert (body["hostname"], body["hostadd"], body["netns"]) == ("h", ["db:1.2.3.4"], {"nsmode": "bridge"})
    assert body["networks"] == {"podman": {"static_ips": ["10.88.0.9"]}}
    assert (body["groups"], body["cap_add"], body["cap_drop"], body["no_new_privileges"]) == (["7"], ["NET_ADMIN"], ["ALL"], True)
    assert "pod" not in body


def test_volumes_by_name_and_devices_are_no_binds() -> None:
    mounts = (Mount("data", "/d", kind=MountKind.VOLUME), Mount("/dev/ttyUSB0", "/dev/tty1", read_only=True, kind=MountKind.DEVICE))
    body = container_body(ContainerSpec("n", "i", (), mounts=mounts, security=Security(seccomp="unconfined"), network=Network()))
    assert body["mounts"] == []
    assert body["volumes"] == [{"Name": "data", "Dest": "/d", "Options": ["nocopy", "rw"]}]
    assert body["devices"] == [{"path": "/dev/ttyUSB0:/dev/tty1:r"}]
    assert body["seccomp_profile_path"] == "unconfined"


def test_a_container_in_a_sandbox_leaves_the_network_to_it() -> None:
    body = container_body(ContainerSpec("n", "i", (), sandbox="s1"))
    assert body["pod"] == "s1"
    assert not {"netns", "hostname", "portmappings", "entrypoint", "command", "resource_limits"} & body.keys()
    sandbox = sandbox_body(SandboxSpec("p", (("a", "b"),), Network(hostname="h"), share_pid=True))
    assert (sandbox["hostname"], sandbox["shared_namespaces"]) == ("h", ["net", "uts", "ipc", "pid"])


def test_the_hosts_network_has_no_ports_and_no_hostname_of_its_own() -> None:
    body = container_body(ContainerSpec("n", "i", (), network=Network(host=True, hostname="h", ports=(PortMapping(1, 2),))))
    assert body["netns"] == {"nsmode": "host"}
    assert not {"hostname", "portmappings"} & body.keys()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-11-23T09:21:12.657618381Z", 1795425672.657618),
        ("2026-11-23T10:21:12+01:00", 1795425672.0),
        ("2026-11-23T09:21:12.5Z", 1795425672.5),
        ("2026-11-23T10:21:12.657618381+01:00", 1795425672.657618),
        ("0001-01-01T00:00:00Z", 0.0),
        (-62135596800, 0.0),
        (1795425672, 1795425672.0),
        ("", 0.0),
        (None, 0.0),
        ("yesterday", 0.0),
    ],
)
def test_podmans_times_in_all_their_forms(value: object, seconds: float) -> None:
    assert epoch(value) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("running", State.RUNNING),
        ("paused", State.RUNNING),
        ("stopping", State.RUNNING),
        ("exited", State.ENDED),
        ("stopped", State.ENDED),
        ("created", State.CREATED),
        ("configured", State.CREATED),
        ("surprise", State.CREATED),
    ],
)
def test_podmans_states_in_a_list(word: str, state: State) -> None:
    assert container_from_list({"Id": "x", "State": word}).state is state


def test_a_container_is_read_from_its_inspection() -> None:
    body: dict[str, Any] = {
        "Id": "x",
        "Name": "n",
        "Image": "sha",
        "ImageName": "localhost/web:1",
        "Created": "2026-11-23T09:21:12Z",
        "State": {
            "Status": "exited",
            "ExitCode": 137,
            "OOMKilled": True,
            "StartedAt": "2026-11-23T09:21:13Z",
            "FinishedAt": "2026-11-23T09:21:14Z",
        },
        "Config": {"Labels": {"a": "b"}},
        "NetworkSettings": {"IPAddress": "", "Networks": {"podman": {"IPAddress": "10.88.0.5"}, "other": None}},
    }
    found = container_from_inspect(body)
    assert (found.state, found.exit_code, found.oom_killed, found.address) == (State.ENDED, 137, True, "10.88.0.5")
    assert found.finished - found.started == 1.0
    assert container_from_inspect({"Id": "x"}).state is State.CREATED


def test_a_sandbox_is_ready_when_its_infra_container_runs() -> None:
    entry = {"Id": "p", "Name": "n", "InfraId": "i", "Containers": [{"Id": "c", "Status": "exited"}, {"Id": "i", "Status": "running"}]}
    assert sandbox_from_list(entry).ready
    assert not sandbox_from_list({**entry, "Containers": [{"Id": "i", "Status": "exited"}]}).ready
    assert not sandbox_from_list({"Id": "p"}).ready


@pytest.mark.parametrize(
    "event",
    [{}, {"Type": "image"}, {"Type": "container"}, {"Type": "container", "Actor": {"ID": "x", "Attributes": {"name": "stranger"}}}],
)
def test_events_of_strangers_are_none_of_ours(event: dict[str, Any]) -> None:
    assert happening_from_event(event) is None


def test_an_event_of_ours_keeps_its_labels() -> None:
    happening = happening_from_event(
        {"Type": "container", "Action": "died", "Actor": {"ID": "x", "Attributes": {MANAGED: "true", "k": "v"}}}
    )
    assert happening is not None
    assert (happening.container, happening.action, happening.labels["k"]) == ("x", "died", "v")


def test_two_edgecores_on_one_machine_know_their_own() -> None:
    mine, other = instance_of("/a"), instance_of("/b")
    assert mine != other and mine == instance_of("/x/../a")
    assert is_ours({MANAGED: "true", "io.bramble.instance": mine}, mine)
    assert is_ours({MANAGED: "true"}, mine)
    assert not is_ours({MANAGED: "true", "io.bramble.instance": other}, mine)
    assert not is_ours({}, mine)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cause": "no such image", "message": "box: no such image", "response": 404}, "box: no such image"),
        ({"Errs": ["starting container f95f: netavark: unable to execute nft"], "Id": "afd7", "RawInput": "afd7"}, "unable to execute nft"),
        ({}, ""),
    ],
)
def test_why_the_engine_refused_is_told_also_of_a_pod(body: dict[str, Any], said: str) -> None:
    assert said in reason(body)


@pytest.mark.parametrize(("server", "version"), [("Libpod/4.3.1 (linux)", "4.3.1"), ("Libpod/5.4.2", "5.4.2")])
def test_a_ping_tells_the_version(server: str, version: str) -> None:
    assert wire.version_from_ping({"Server": server}) == version


@pytest.mark.parametrize("headers", [{}, {"Server": "Docker/24.0"}, {"Server": "Libpod"}, {"Server": ""}])
def test_who_pongs_otherwise_is_no_podman(headers: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        wire.version_from_ping(headers)
