from __future__ import annotations

from typing import Any

import pytest

from edgecore.containers import labels
from edgecore.containers.model import Network, PortMapping, Resources, Security
from edgecore.edged.errors import ConfigProblem
from edgecore.edged.pod import read_pod
from edgecore.edged.podspec import NodeRules, Resolved, check_user, container_spec, network_of, sandbox_spec
from tests.unit.edgecore.edged.pods import container, pod

RULES = NodeRules("board")


def spec_of(document: dict[str, Any], rules: NodeRules = RULES, **pod_fields: Any) -> Any:
    plan = read_pod(pod(document, **pod_fields))
    return container_spec(plan, plan.containers[0], Resolved("localhost/web:1", {"NAME": "world"}, record="{}", attempt=3), rules)


def test_a_container_is_named_and_labelled_so_that_it_is_known_again() -> None:
    spec = spec_of(container())
    assert spec.name == "k8s_web_web-0_default_0d2c7a4e_3"
    assert dict(spec.labels) == {
        labels.MANAGED: "true",
        labels.INSTANCE: "board",
        labels.POD_UID: "0d2c7a4e-1",
        labels.POD_NAMESPACE: "default",
        labels.POD_NAME: "web-0",
        labels.CONTAINER: "web",
        labels.HASH: read_pod(pod(container())).containers[0].hash,
        labels.RECORD: "{}",
        labels.RESTARTS: "Always",
    }


@pytest.mark.parametrize(
    ("fields", "entrypoint", "arguments"),
    [
        ({}, None, None),
        ({"command": ["echo", "$(NAME)"]}, ("echo", "world"), ()),
        ({"args": ["$(NAME)", "$(OTHER)"]}, None, ("world", "$(OTHER)")),
        ({"command": ["echo"], "args": ["$$(NAME)"]}, ("echo",), ("$(NAME)",)),
    ],
)
def test_command_and_args_are_expanded_and_replace_the_images(fields: dict[str, Any], entrypoint: object, arguments: object) -> None:
    spec = spec_of(container(**fields))
    assert (spec.entrypoint, spec.arguments) == (entrypoint, arguments)


@pytest.mark.parametrize(
    ("resources", "missing", "expected"),
    [
        ({}, (), Resources()),
        ({"requests": {"cpu": "250m"}}, (), Resources(cpu_shares=256)),
        ({"limits": {"cpu": "1", "memory": "64Mi"}}, (), Resources(1024, 100_000, 64 * 1024**2)),
        ({"limits": {"cpu": "1", "memory": "64Mi"}}, ("memory",), Resources(1024, 100_000, None)),
        ({"limits": {"cpu": "1", "memory": "64Mi"}}, ("cpu", "memory"), Resources()),
    ],
)
def test_limits_become_cgroup_values_unless_the_kernel_lacks_them(resources: Any, missing: tuple[str, ...], expected: Resources) -> None:
    assert spec_of(container(resources=resources), NodeRules("board", frozenset(missing))).resources == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"resources": {"limits": {"memory": "much"}}}, "container web: resources: expected a quantity"),
        ({"ports": [{"containerPort": 80, "hostPort": 70000}]}, "container web: ports: expected 1 to 65535, got '70000'"),
        ({"ports": [{"containerPort": "http", "hostPort": 80}]}, "container web: ports: expected 1 to 65535, got 'http'"),
    ],
)
def test_what_cannot_be_meant_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigProblem, match=named):
        spec_of(container(**fields))


def test_only_host_ports_are_published() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 53, "hostPort": 5353, "protocol": "UDP", "hostIP": "127.0.0.1"}]
    assert spec_of(container(ports=ports)).network.ports == (PortMapping(53, 5353, "127.0.0.1", "udp"),)
    assert spec_of(container(ports=ports), hostNetwork=True).network == Network(host=True, hostname="web-0")


def test_a_pod_of_several_puts_its_ports_on_the_sandbox() -> None:
    plan = read_pod(pod(container("a", ports=[{"containerPort": 80, "hostPort": 8080}]), container("b"), hostname="box"))
    assert sandbox_spec(plan, RULES).network == Network(hostname="box", ports=(PortMapping(80, 8080),))
    assert container_spec(plan, plan.containers[0], Resolved("i", {}, sandbox="s1"), RULES).network is None


@pytest.mark.parametrize(
    ("fields", "servers", "searches"),
    [
        ({}, ("10.0.0.10",), ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")),
        ({"dnsPolicy": "Default"}, (), ()),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["lan"]}}, ("1.1.1.1",), ("lan",)),
        ({"hostNetwork": True}, (), ()),
    ],
)
def test_the_dns_of_a_pod(fields: dict[str, Any], servers: tuple[str, ...], searches: tuple[str, ...]) -> None:
    rules = NodeRules("board", cluster_dns="10.0.0.10", cluster_domain="cluster.local")
    network = network_of(read_pod(pod(**fields)), rules)
    assert (network.dns_servers, network.dns_searches) == (servers, searches)


def test_host_aliases_become_lines_of_the_hosts_file() -> None:
    aliases = [{"ip": "10.0.0.5", "hostnames": ["db", "db.lan"]}]
    assert network_of(read_pod(pod(hostAliases=aliases)), RULES).hosts == (("db", "10.0.0.5"), ("db.lan", "10.0.0.5"))


def test_seccomp_profiles_come_from_a_directory_of_the_node() -> None:
    rules = NodeRules("board", seccomp_directory="/s")

    def profile(**given: str) -> str:
        return str(spec_of(container(securityContext={"seccompProfile": given}), rules).security.seccomp)

    assert profile(type="RuntimeDefault") == ""
    assert profile(type="Unconfined") == "unconfined"
    assert profile(type="Localhost", localhostProfile="a/b.json") == "/s/a/b.json"
    for wrong in ({"type": "Localhost"}, {"type": "Localhost", "localhostProfile": "../x"}, {"type": "Other"}):
        with pytest.raises(ConfigProblem, match=r"securityContext\.seccompProfile: expected RuntimeDefault, Unconfined"):
            profile(**wrong)


@pytest.mark.parametrize(
    ("user", "image_user", "problem"),
    [
        ("1000", "", ""),
        ("", "1000:1000", ""),
        ("0", "1000", "container's runAsUser breaks non-root policy"),
        ("", "", "container has runAsNonRoot and image will run as root"),
        ("", "root", "container has runAsNonRoot and image will run as root"),
        ("", "web", "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"),
    ],
)
def test_a_container_that_must_not_be_root_is_not_made_where_it_would_be(user: str, image_user: str, problem: str) -> None:
    if not problem:
        check_user(user, image_user)
        return
    with pytest.raises(ConfigProblem) as caught:
        check_user(user, image_user)
    assert str(caught.value) == problem


def test_dns_options_are_passed_on() -> None:
    options = [{"name": "ndots", "value": "2"}, {"name": "rotate"}]
    network = network_of(read_pod(pod(dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"], "options": options})), RULES)
    assert (network.dns_servers, network.dns_options) == (("1.1.1.1",), ("ndots:2", "rotate"))


@pytest.mark.parametrize(
    ("pod_context", "own", "expected"),
    [
        ({}, {}, Security()),
        ({"runAsUser": 1000, "runAsGroup": 50}, {}, Security(user="1000:50")),
        ({"runAsUser": 1000}, {"runAsUser": 0}, Security(user="0")),
        ({"fsGroup": 7, "supplementalGroups": [8]}, {}, Security(groups=("8", "7"))),
        ({}, {"privileged": True, "readOnlyRootFilesystem": True}, Security(privileged=True, read_only_root=True)),
        (
            {},
            {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "allowPrivilegeEscalation": False},
            Security(add_capabilities=("NET_ADMIN",), drop_capabilities=("ALL",), no_new_privileges=True),
        ),
    ],
)
def test_the_rights_of_a_container(pod_context: dict[str, Any], own: dict[str, Any], expected: Security) -> None:
    assert spec_of(container(securityContext=own), securityContext=pod_context).security == expected


@pytest.mark.parametrize(
    ("policy", "init", "sidecar", "labelled"),
    [
        ("OnFailure", False, False, "OnFailure"),
        ("Never", False, False, "Never"),
        ("Always", True, False, "OnFailure"),
        ("Never", True, False, "Never"),
        ("Never", True, True, "Always"),
    ],
)
def test_a_container_is_labelled_with_when_it_runs_again(policy: str, init: bool, sidecar: bool, labelled: str) -> None:
    first = container("first", **({"restartPolicy": "Always"} if sidecar else {}))
    plan = read_pod(pod(restartPolicy=policy, **({"initContainers": [first]} if init else {})))
    spec = container_spec(plan, plan.wanted[0], Resolved("localhost/web:1", {}), RULES)
    assert dict(spec.labels)[labels.RESTARTS] == labelled
