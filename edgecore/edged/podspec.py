"""A pod and what its names resolved to, to the values that the container engine is asked for. Pure (contract 8.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import ContainerSpec, Mount, Network, PortMapping, Resources, SandboxSpec, Security
from edgecore.edged.devices import Devices
from edgecore.edged.errors import ConfigProblem
from edgecore.edged.expansion import expand
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.quantity import cpu_quota, cpu_shares, milli, whole


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What the node decides for every pod. ``missing``: limits (``cpu``, ``memory``) that this kernel cannot keep."""

    instance: str
    missing: frozenset[str] = frozenset()
    cluster_dns: str = ""
    cluster_domain: str = ""
    seccomp_directory: str = ""
    devices: Devices = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was looked up for one container before it could be described."""

    image: str
    environment: dict[str, str]
    mounts: tuple[Mount, ...] = ()
    record: str = ""
    sandbox: str = ""
    address: str = ""
    attempt: int = 0


def container_spec(plan: PodPlan, wanted: Wanted, resolved: Resolved, rules: NodeRules) -> ContainerSpec:
    """Raises:
    ConfigProblem: a quantity or port that is none.
    """
    document, spec = wanted.document, plan.spec
    command, args = document.get("command") or None, document.get("args") or None
    return ContainerSpec(
        name=container_name(plan, wanted, resolved.attempt),
        image=resolved.image,
        labels=(
            *_pod_labels(plan, rules),
            (labels.CONTAINER, wanted.name),
            (labels.HASH, wanted.hash),
            (labels.RECORD, resolved.record),
            (labels.RESTARTS, _restarts(plan, wanted)),
        ),
        entrypoint=_expanded(command, resolved.environment),
        arguments=_expanded(args, resolved.environment) if args else () if command else None,
        environment=tuple(resolved.environment.items()),
        work_dir=str(document.get("workingDir") or ""),
        mounts=resolved.mounts,
        resources=_resources(document, rules),
        security=_security(document, spec, rules),
        terminal=bool(document.get("tty")),
        stdin=bool(document.get("stdin")),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        network=None if plan.shared else network_of(plan, rules, address=resolved.address),
        sandbox=resolved.sandbox,
    )


def _restarts(plan: PodPlan, wanted: Wanted) -> str:
    if wanted.sidecar:
        return "Always"
    return "OnFailure" if wanted.init and plan.restart_policy != "Never" else plan.restart_policy


def sandbox_spec(plan: PodPlan, rules: NodeRules) -> SandboxSpec:
    return SandboxSpec(
        name=f"k8s_POD_{plan.name}_{plan.namespace}_{plan.uid[:8]}",
        labels=_pod_labels(plan, rules),
        network=network_of(plan, rules),
        share_pid=bool(plan.spec.get("shareProcessNamespace")),
    )


def container_name(plan: PodPlan, wanted: Wanted, attempt: int) -> str:
    """Like a kubelet's: ``k8s_web_pod_default_1b2c3d4e_0``. The attempt lets the successor be made before the dead one is removed."""
    return f"k8s_{wanted.name}_{plan.name}_{plan.namespace}_{plan.uid[:8]}_{attempt}"


def network_of(plan: PodPlan, rules: NodeRules, *, address: str = "") -> Network:
    spec = plan.spec
    hosts = [(str(n), str(alias.get("ip"))) for alias in spec.get("hostAliases") or [] for n in alias.get("hostnames") or []]
    dns = spec.get("dnsConfig") or {}
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not plan.host_network)
    servers = [rules.cluster_dns] if rules.cluster_dns and cluster else []
    domain = rules.cluster_domain
    searches = [f"{plan.namespace}.svc.{domain}", f"svc.{domain}", domain] if servers and domain else []
    return Network(
        host=plan.host_network,
        hostname=plan.hostname,
        ports=() if plan.host_network else tuple(port for wanted in plan.wanted for port in _ports(wanted)),
        hosts=tuple(hosts),
        dns_servers=(*servers, *map(str, dns.get("nameservers") or [])),
        dns_searches=(*searches, *map(str, dns.get("searches") or [])),
        dns_options=_dns_options(dns.get("options") or [], cluster=bool(searches)),
        address="" if plan.host_network else address,
    )


def _dns_options(options: list[dict[str, Any]], *, cluster: bool) -> tuple[str, ...]:
    """``ndots:5`` as in Kubernetes, unless the pod says otherwise: ``web.default.svc`` is to be looked for in the search domains first."""
    usual = ["ndots:5"] if cluster and all(option.get("name") != "ndots" for option in options) else []
    return (*usual, *(_dns_option(option) for option in options))


def _dns_option(option: dict[str, Any]) -> str:
    value = option.get("value")
    return f"{option.get('name')}:{value}" if value not in (None, "") else str(option.get("name"))


def _pod_labels(plan: PodPlan, rules: NodeRules) -> tuple[tuple[str, str], ...]:
    return labels.pod_labels(instance=rules.instance, uid=plan.uid, namespace=plan.namespace, name=plan.name)


def _expanded(words: Any, variables: dict[str, str]) -> tuple[str, ...] | None:
    return tuple(expand(str(word), variables) for word in words) if words else None


def _ports(wanted: Wanted) -> list[PortMapping]:
    found = []
    for port in wanted.document.get("ports") or []:
        if not port.get("hostPort"):
            continue
        inner, outer = _port(port.get("containerPort"), wanted), _port(port["hostPort"], wanted)
        found.append(PortMapping(inner, outer, str(port.get("hostIP") or ""), str(port.get("protocol") or "TCP").lower()))
    return found


def _port(value: Any, wanted: Wanted) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ConfigProblem(f"container {wanted.name}: ports: expected 1 to 65535, got {str(value)[:20]!r}")
    return value


def _resources(document: dict[str, Any], rules: NodeRules) -> Resources:
    resources = document.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    try:
        asked_cpu = requests.get("cpu", limits.get("cpu"))
        shares = cpu_shares(milli(asked_cpu)) if asked_cpu is not None else None
        quota = cpu_quota(milli(limits["cpu"])) if limits.get("cpu") else None
        memory = whole(limits["memory"]) if limits.get("memory") else None
    except ValueError as exc:
        raise ConfigProblem(f"container {document.get('name')}: resources: {exc}") from exc
    without_cpu = "cpu" in rules.missing
    return Resources(
        cpu_shares=None if without_cpu else shares,
        cpu_quota=None if without_cpu else quota,
        memory_limit=None if "memory" in rules.missing else memory,
    )


def must_not_be_root(wanted: Wanted, plan: PodPlan) -> bool:
    pod, own = plan.spec.get("securityContext") or {}, wanted.document.get("securityContext") or {}
    return bool(own.get("runAsNonRoot", pod.get("runAsNonRoot")))


def check_user(user: str, image_user: str) -> None:
    """For a container that must not run as root.

    Raises:
        ConfigProblem: it would, or nobody can say; in a kubelet's words.
    """
    name = (user or image_user).partition(":")[0]
    if name in ("", "0", "root"):
        raise ConfigProblem(
            "container has runAsNonRoot and image will run as root" if not user else "container's runAsUser breaks non-root policy"
        )
    if not name.isdigit():
        raise ConfigProblem(f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root")


def _security(document: dict[str, Any], spec: dict[str, Any], rules: NodeRules) -> Security:
    pod, own = spec.get("securityContext") or {}, document.get("securityContext") or {}
    user, group = own.get("runAsUser", pod.get("runAsUser")), own.get("runAsGroup", pod.get("runAsGroup"))
    capabilities = own.get("capabilities") or {}
    if user is None and group is not None:
        user = 0
    extra = [*(pod.get("supplementalGroups") or []), *([pod["fsGroup"]] if pod.get("fsGroup") is not None else [])]
    return Security(
        user="" if user is None else f"{user}:{group}" if group is not None else str(user),
        groups=tuple(map(str, extra)),
        privileged=bool(own.get("privileged")),
        add_capabilities=tuple(map(str, capabilities.get("add") or [])),
        drop_capabilities=tuple(map(str, capabilities.get("drop") or [])),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        seccomp=_seccomp(own.get("seccompProfile") or pod.get("seccompProfile") or {}, rules),
    )


def _seccomp(profile: dict[str, Any], rules: NodeRules) -> str:
    kind = profile.get("type") or "RuntimeDefault"
    if kind == "RuntimeDefault":
        return ""
    if kind == "Unconfined":
        return "unconfined"
    name = str(profile.get("localhostProfile") or "")
    if kind != "Localhost" or not name or name.startswith("/") or ".." in name.split("/"):
        raise ConfigProblem("securityContext.seccompProfile: expected RuntimeDefault, Unconfined, or Localhost with a relative path")
    return f"{rules.seccomp_directory}/{name}"
