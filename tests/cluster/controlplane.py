"""A Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as real processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from demo.stage import Running, Stage, free_port, run
from tests.cluster.papers import Papers

SERVICE_RANGE = "10.96.200.0/24"
"""Of the addresses that cloudstub gives out too, so that the claims about Services hold for both."""

DOMAIN = "boards.example"
"""``<node>.boards.example`` leads to CloudCore, for the API server alone: it sees a hosts file of its own."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where ``tests/cluster/build.sh`` left them."""

    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


@dataclass
class ControlPlane:
    """``boards``: the nodes whose names lead to this machine."""

    programs: Programs
    stage: Stage
    boards: tuple[str, ...]
    data: Path
    """Of etcd, which syncs every write: a folder in memory, so that a busy disk holds nobody up."""
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    dials: str = "InternalDNS,InternalIP,Hostname"
    """Which addresses of a Node the API server tries, as docs/operations.md has it."""

    def __post_init__(self) -> None:
        self.papers = Papers(self.stage.folder / "papers")
        self.papers.make_server(
            "kube-apiserver", ["127.0.0.1", SERVICE_RANGE.replace(".0/24", ".1")], ["localhost", "kubernetes.default.svc"]
        )
        self.papers.make_client("admin", "kubernetes-admin", "system:masters")
        self.papers.make_client("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self.papers.make_client("kube-controller-manager", "system:kube-controller-manager")
        self.papers.make_client("kube-scheduler", "system:kube-scheduler")
        self.papers.make_signing_key("accounts")
        self.proxy = Papers(self.stage.folder / "front-proxy")
        self.proxy.make_client("client", "front-proxy-client")

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def admin(self) -> Path:
        return self.papers.kubeconfig("admin", self.server)

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        self.stage.start(
            *("etcd", self.programs["etcd"], "--data-dir", self.data, "--name", "one"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"),
        )

    def start_api(self, *more: str) -> Running:
        """As kubeadm sets it up, but for ``dials``, and with the way to Services by their Endpoints: there is no kube-proxy."""
        papers, proxy = self.papers, self.proxy
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self.etcd_port}",
            "etcd-compaction-interval": "0",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": str(self.port),
            "endpoint-reconciler-type": "none",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "client-ca-file": str(papers.ca),
            "tls-cert-file": str(papers.certificate("kube-apiserver")),
            "tls-private-key-file": str(papers.key("kube-apiserver")),
            "kubelet-client-certificate": str(papers.certificate("kubelet-client")),
            "kubelet-client-key": str(papers.key("kubelet-client")),
            "kubelet-preferred-address-types": self.dials,
            "requestheader-client-ca-file": str(proxy.ca),
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": str(proxy.certificate("client")),
            "proxy-client-key-file": str(proxy.key("client")),
            "enable-aggregator-routing": "true",
            "service-cluster-ip-range": SERVICE_RANGE,
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": str(papers.key("accounts")),
            "service-account-signing-key-file": str(papers.key("accounts")),
        }
        command = [str(self.programs["kube-apiserver"]), *(f"--{name}={value}" for name, value in flags.items()), *more]
        return self.stage.start("kube-apiserver", "unshare", "--mount", "sh", "-c", _WITH_HOSTS, self._hosts(), *command)

    def start_controllers(self) -> None:
        papers = self.papers
        self._start_client(
            "kube-controller-manager",
            f"--service-account-private-key-file={papers.key('accounts')}",
            f"--root-ca-file={papers.ca}",
            "--use-service-account-credentials=true",
        )
        self._start_client("kube-scheduler")

    def compact(self) -> None:
        """Let etcd forget every version but the newest."""
        status = self._etcdctl("endpoint", "status", "--write-out=fields")
        revision = next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith('"Revision"'))
        self._etcdctl("compaction", "--physical", revision)

    def _start_client(self, name: str, *more: str) -> None:
        kubeconfig = self.papers.kubeconfig(name, self.server)
        common = ("--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--port=0")
        self.stage.start(name, self.programs[name], f"--kubeconfig={kubeconfig}", *common, *more)

    def _etcdctl(self, *words: str) -> str:
        return run(self.programs["etcdctl"], "--endpoints", f"http://127.0.0.1:{self.etcd_port}", *words, env={"ETCDCTL_API": "3"})

    def _hosts(self) -> Path:
        path = self.stage.folder / "hosts"
        path.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {board}.{DOMAIN}\n" for board in self.boards))
        return path


_WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'
"""A wildcard in the DNS stands for this elsewhere; this machine's own file is not touched."""
