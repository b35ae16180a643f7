"""A cloudstub, a CloudCore and boards as processes of their own, whose addresses, clocks and certificates a test changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cloudcore.pki.authority import Authority, authority_of
from cloudcore.pki.backup import from_text
from demo.stage import BIN, Failed, Running, Stage, answers, free_port, run, wait_for
from edgecore.certs import keys
from edgecore.certs.files import IdentityFiles, store_pair, stored_identity
from edgecore.certs.identity import NodeIdentity

T = TypeVar("T")

CLOUD_CONFIG = """\
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
kubeAPIConfig:
  kubeConfig: {folder}/kubeconfig
modules:
  cloudHub:
    websocket: {{address: {host}, port: {hub}}}
    https: {{address: {host}, port: {https}}}
  cloudStream: {{streamPort: 0}}
"""

BOARD_CONFIG = """\
database:
  dataSource: {folder}/edgecore.db
modules:
  edged:
    enable: false
  eventBus:
    enable: false
  edgeHub:
    tlsCaFile: {folder}/ca.crt
    tlsCertFile: {folder}/edge.crt
    tlsPrivateKeyFile: {folder}/edge.key
"""


@dataclass
class Cluster:
    """Ports of 0 are chosen at the start, and kept."""

    folder: Path
    host: str = "127.0.0.1"
    hub: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    stub: Running | None = None
    core: Running | None = None

    def __post_init__(self) -> None:
        self.stage = Stage(self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "cloudcore.log").read_text("utf-8", "replace")

    def start_api(self, data: str = "api") -> None:
        (self.folder / "kubeconfig").unlink(missing_ok=True)
        command = ("--data-dir", self.folder / data, "--listen", "127.0.0.1:0", "--kubeconfig", self.folder / "kubeconfig")
        self.stub = self.stage.start("cloudstub", BIN / "cloudstub", *command)
        wait_for("the API's kubeconfig", (self.folder / "kubeconfig").exists, within=30)

    def start_core(self) -> None:
        config = self.folder / "cloudcore.yaml"
        config.write_text(CLOUD_CONFIG.format(folder=self.folder, host=self.host, hub=self.hub, https=self.https))
        self.core = self.stage.start("cloudcore", BIN / "cloudcore", "--log-level", "debug", "--config", config)
        wait_for("CloudCore's ports", lambda: answers(self.hub, self.host) and answers(self.https, self.host), within=40)

    def stop_core(self) -> None:
        self._end(self.core)

    def stop_api(self) -> None:
        self._end(self.stub)

    def _end(self, running: Running | None) -> None:
        assert running is not None
        running.stop()
        self.stage.forget(running)

    def cloudcore(self, *words: str | Path) -> str:
        return run(BIN / "cloudcore", *words, "--kubeconfig", self.folder / "kubeconfig")

    def token(self) -> str:
        return self.cloudcore("token", "create", "--ttl", "1h", "--one-time").split()[-1]

    def authority(self) -> Authority:
        """The cluster's CA with its key, as an operator may have it."""
        file = self.folder / "authority.json"
        self.cloudcore("ca", "backup", "--force", file)
        return authority_of(from_text(file.read_text())["casecret"])

    def board(self, node: str, *, clock: dict[str, str] | None = None) -> Board:
        made = Board(self, node, clock or {})
        made.folder.mkdir()
        made.join()
        return made


@dataclass
class Board:
    """``clock`` is the environment that gives its programs another time."""

    cluster: Cluster
    node: str
    clock: dict[str, str]
    process: Running | None = None

    @property
    def folder(self) -> Path:
        return self.cluster.folder / self.node

    @property
    def config(self) -> Path:
        return self.folder / "edgecore.yaml"

    @property
    def files(self) -> IdentityFiles:
        return IdentityFiles(self.folder / "ca.crt", self.folder / "edge.crt", self.folder / "edge.key")

    @property
    def log(self) -> str:
        return (self.cluster.folder / f"{self.node}.log").read_text("utf-8", "replace")

    def join(self) -> None:
        self.config.write_text(BOARD_CONFIG.format(folder=self.folder))
        cluster = self.cluster
        self.joined = run(
            *(BIN / "edgecore", "join", "--cloud", f"{cluster.host}:{cluster.https}", "--hub-port", str(cluster.hub)),
            *("--token", "-", "--name", self.node, "--config", self.config),
            env=self.clock,
            stdin=cluster.token(),
        )

    def start(self) -> None:
        environment = {"CHECK_EDGECORE_ENVIRONMENT": "false", **self.clock}
        command = (BIN / "edgecore", "--log-level", "debug", "--config", self.config)
        self.process = self.cluster.stage.start(self.node, *command, env=environment)

    def stop(self) -> None:
        assert self.process is not None
        self.process.stop()
        self.cluster.stage.forget(self.process)

    def links(self) -> int:
        return self.log.count("linked to the cloud")

    def wait(self, what: str, claim: Callable[[], T | None], *, within: float = 60.0) -> T:
        """As ``wait_for``; a failure shows what the board said last."""
        try:
            return wait_for(what, claim, within=within)
        except Failed as exc:
            raise Failed(f"{exc}\n{self.log[-3000:]}") from exc

    def identity(self) -> NodeIdentity:
        """Waits while another one is being put in its place: three files, which no reader sees change at once."""
        return wait_for("the identity", lambda: stored_identity(self.files), within=10)

    def wear(self, *, age: timedelta, lifetime: timedelta, now: float) -> str:
        """Give the board a certificate of its cluster that was signed ``age`` ago; its serial number."""
        authority = self.cluster.authority()
        made = keys.make_candidate(self.node)
        der = authority.sign_node(made.request, self.node, now=now - age.total_seconds(), lifetime=lifetime)
        pem = keys.to_pem(der)
        worn = keys.describe(pem, keys.to_pem(authority.certificate))
        store_pair(self.files, pem, made.key_pem, worn)
        return worn.serial
