"""The images at work: a site that a board of this machine joins, CloudCore as a pod would run it, mappers at a broker."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from demo.parts import Board, Site
from demo.stage import BIN, Stage, answers, free_port, run, wait_for
from tests.containers.chart import render
from tests.containers.podman import GATEWAY, HARDENED, Podman
from tests.containers.test_images import ARCH

CONTAINER = "bramble-test-site"
VOLUME = "bramble-test-state"


@dataclass
class ContainedSite(Site):
    """edgesite in a container whose ports are published on loopback, as docs/containers.md has it."""

    podman: Podman = field(kw_only=True)

    def launch(self) -> None:
        ports = {self.api: 6443, self.hub: 10000, self.https: 10002}
        published = [word for outer, inner in ports.items() for word in ("--publish", f"127.0.0.1:{outer}:{inner}")]
        image = self.podman.image("edgesite", ARCH)
        state = f"{VOLUME}:/var/lib/bramble"
        self.podman.run(
            "run", "--detach", "--name", CONTAINER, "--network", "bramble-test", *HARDENED, "--volume", state, *published, image
        )
        wait_for("the kubeconfig", self._fetch_kubeconfig, within=120)

    def stop(self) -> None:
        self.podman.run("stop", "--time", "30", CONTAINER)
        code = self.podman.inspect("container", CONTAINER)["State"]["ExitCode"]
        log = self.podman.log(CONTAINER)
        self.podman.run("rm", CONTAINER)
        assert code == 0, log

    def token(self) -> str:
        said = self.podman.run(
            "exec", CONTAINER, "cloudcore", "token", "create", "--one-time", "--kubeconfig", "/var/lib/bramble/edgesite/kubeconfig"
        )
        return said.split()[-1]

    def _fetch_kubeconfig(self) -> bool:
        self.podman.run("cp", f"{CONTAINER}:/var/lib/bramble/edgesite/kubeconfig", self.kubeconfig)
        text = self.kubeconfig.read_text()
        self.kubeconfig.write_text(text.replace(":6443", f":{self.api}"))
        return True


def test_a_board_joins_a_site_in_a_container_and_the_site_outlives_its_container(podman: Podman, stage: Stage) -> None:
    site = ContainedSite(stage, api=free_port(), hub=free_port(), https=free_port(), podman=podman)
    site.start()
    board = Board(site, "contained")
    assert "contained" in board.join()
    board.start()
    site.wait("the node Ready", board.ready, within=120)
    assert "contained" in site.kubectl("get", "nodes")
    begun = time.monotonic()
    site.stop()
    assert time.monotonic() - begun < 20
    site.start()
    site.wait("the node Ready at the same site in another container", board.ready, within=120)
    site.wait("linked again", lambda: board.links() >= 2, within=120)
    board.stop()
    site.stop()


@pytest.fixture
def api(stage: Stage) -> Iterator[tuple[str, Path]]:
    """cloudstub for a CloudCore that comes from a container: (port, its kubeconfig)."""
    port = free_port()
    kubeconfig = stage.folder / "kubeconfig"
    stage.start(
        *("cloudstub", BIN / "cloudstub", "--data-dir", stage.folder / "api", "--listen", f"0.0.0.0:{port}"),
        *("--kubeconfig", kubeconfig, "--san", GATEWAY),
    )
    wait_for("the API", kubeconfig.exists, within=60)
    yield str(port), kubeconfig


def test_cloudcore_runs_as_the_chart_makes_its_pod(podman: Podman, stage: Stage, api: tuple[str, Path]) -> None:
    """Everything that a kubelet would lay into the pod: settings, service account, volumes, addresses. Not seen here: the Services."""
    port, kubeconfig = api
    run("kubectl", "--kubeconfig", kubeconfig, "create", "namespace", "kubeedge")
    objects = render()
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    config = stage.folder / "config"
    config.mkdir()
    (config / "cloudcore.yaml").write_text(next(one for one in objects if one["kind"] == "ConfigMap")["data"]["cloudcore.yaml"])
    account = _service_account(stage.folder / "account", kubeconfig)
    for folder in (stage.folder, config, account):
        folder.chmod(0o755)
    hub, enrolment, metrics = free_port(), free_port(), free_port()
    user = pod["securityContext"]
    with _running(
        podman,
        *("--user", f"{user['runAsUser']}:{user['runAsGroup']}", *HARDENED),
        *("--volume", f"{config}:/etc/kubeedge/config:ro", "--volume", f"{account}:/var/run/secrets/kubernetes.io/serviceaccount:ro"),
        *("--volume", "bramble-test-cloudcore:/var/lib/bramble/cloudcore:U", "--tmpfs=/tmp:size=64m"),
        *("--env", f"KUBERNETES_SERVICE_HOST={GATEWAY}", "--env", f"KUBERNETES_SERVICE_PORT={port}"),
        *("--publish", f"127.0.0.1:{hub}:10000", "--publish", f"127.0.0.1:{enrolment}:10002", "--publish", f"127.0.0.1:{metrics}:9091"),
        *(podman.image("cloudcore", ARCH), *pod["containers"][0]["args"]),
    ) as container:
        # The probes of the Deployment.
        wait_for("its numbers", lambda: urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5).status == 200, within=90)
        wait_for("enrolment", lambda: answers(enrolment), within=60)
        token = podman.run("exec", container, "/usr/bin/cloudcore", "token", "create", "--one-time").split()[-1]
        config_file = stage.folder / "edgecore.yaml"
        run(
            *(BIN / "edgecore", "join", "--cloud", f"127.0.0.1:{enrolment}", "--hub-port", str(hub)),
            *("--token", "-", "--name", "b1", "--config", config_file),
            stdin=_below(config_file, stage.folder) or token,
        )
        webhook = run("kubectl", "--kubeconfig", kubeconfig, "get", "validatingwebhookconfigurations", "-o", "yaml")
        assert {"name": "cloudcore", "namespace": "kubeedge"}.items() <= yaml.safe_load(webhook)["items"][0]["webhooks"][0]["clientConfig"][
            "service"
        ].items()


def _below(config: Path, folder: Path) -> str:
    """Let the join write everything below ``folder``."""
    keys = {"tlsCaFile": folder / "ca.crt", "tlsCertFile": folder / "edge.crt", "tlsPrivateKeyFile": folder / "edge.key"}
    settings = {
        "database": {"dataSource": str(folder / "edgecore.db")},
        "modules": {"edgeHub": {key: str(path) for key, path in keys.items()}},
    }
    config.write_text(yaml.safe_dump({"apiVersion": "edgecore.config.kubeedge.io/v1alpha1", "kind": "EdgeCore", **settings}))
    return ""


def _service_account(folder: Path, kubeconfig: Path) -> Path:
    folder.mkdir()
    content = yaml.safe_load(kubeconfig.read_text())
    (folder / "token").write_text(content["users"][0]["user"]["token"])
    (folder / "ca.crt").write_bytes(base64.b64decode(content["clusters"][0]["cluster"]["certificate-authority-data"]))
    (folder / "namespace").write_text("kubeedge")
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


@contextmanager
def _running(podman: Podman, *words: str | Path) -> Iterator[str]:
    container = podman.run("run", "--detach", "--network", "bramble-test", *words).strip()
    try:
        yield container
    except Exception as exc:
        exc.add_note(podman.log(container))
        raise
    finally:
        podman.run("rm", "--force", "--time", "10", container)


@pytest.mark.parametrize("protocol", ["modbus", "serial", "i2c", "gpio"])
def test_a_mapper_reads_made_up_devices_and_ends_when_told(podman: Podman, stage: Stage, protocol: str) -> None:
    broker = free_port()
    settings = stage.folder / "mosquitto.conf"
    settings.write_text(f"listener {broker} 0.0.0.0\nallow_anonymous true\n")
    stage.start("mosquitto", shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", settings)
    wait_for("the broker", lambda: answers(broker), within=30)
    with subprocess.Popen(
        ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker), "-t", "$hw/#", "-C", "1", "-W", "60"], stdout=subprocess.PIPE, text=True
    ) as heard:
        image = podman.image("mappers", ARCH)
        with _running(
            podman, *HARDENED, "--tmpfs=/tmp", image, protocol, "--simulate", "--broker", f"tcp://{GATEWAY}:{broker}"
        ) as container:
            said = heard.communicate(timeout=90)[0]
            begun = time.monotonic()
            podman.run("stop", "--time", "20", container)
            assert time.monotonic() - begun < 10
            assert podman.inspect("container", container)["State"]["ExitCode"] == 0, podman.log(container)
    assert said.startswith("{"), podman.log(container)
