"""Real kubectl against a real cloudstub process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]
START_SECONDS = 20.0
CALL_SECONDS = 30.0


class Stub:
    """A cloudstub process over one data directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[str] | None = None
        self.log = directory / "log"

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloudstub.cli", "--data-dir", str(self.directory / "data"), "--listen", "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "Kubernetes API at https://" in line, self.log.read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)

    @property
    def environment(self) -> dict[str, str]:
        home = str(self.directory)
        return {**os.environ, "KUBECONFIG": str(self.directory / "data" / "kubeconfig"), "HOME": home}

    def run(self, *words: str, sent: Any = None) -> subprocess.CompletedProcess[str]:
        text = sent if isinstance(sent, str) or sent is None else json.dumps(sent)
        command = ["kubectl", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=CALL_SECONDS, env=self.environment, check=False)

    def __call__(self, *words: str, sent: Any = None) -> str:
        done = self.run(*words, sent=sent)
        assert done.returncode == 0, (words, done.stderr, self.log.read_text()[-2000:])
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return value


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    made = Stub(tmp_path_factory.mktemp("cloudstub"))
    made.start()
    yield made
    made.stop()


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come true in time"
        time.sleep(0.05)


def deployment(name: str, image: str = "app:1") -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gauges.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gauges", "kind": "Gauge", "shortNames": ["gg"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Unit", "type": "string", "jsonPath": ".spec.unit"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["port"],
                                "properties": {
                                    "port": {"type": "integer", "maximum": 65535},
                                    "unit": {"type": "string", "default": "C"},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def gauge(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Gauge", "metadata": {"name": name}, "spec": spec}


def test_apply_makes_changes_and_leaves_alone(stub: Stub) -> None:
    assert "created" in stub("apply", "-f", "-", sent=deployment("one"))
    assert "unchanged" in stub("apply", "-f", "-", sent=deployment("one"))
    assert "configured" in stub("apply", "-f", "-", sent=deployment("one", "app:2"))
    assert stub.get("deploy", "one")["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"
    assert "serverside-applied" in stub("apply", "--server-side", "-f", "-", sent=deployment("two"))


def test_wide_tables_show_what_kubectl_shows(stub: Stub) -> None:
    stub("apply", "-f", "-", sent=deployment("wide"))
    until(lambda: "wide-" in stub("get", "pods"))
    assert stub("get", "pods", "-o", "wide").split("\n")[0].split()[:6] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"]
    head = stub("get", "deploy", "-o", "wide").split("\n")[0]
    assert head.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    for kind in ("all", "nodes", "svc", "cm", "secrets", "events", "ns", "leases", "crd"):
        stub("get", kind, "-A", "-o", "wide")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", '[{"op":"replace","path":"/data/k","value":"2"}]'),
        ("merge", '{"data":{"k":"2"}}'),
        ("strategic", '{"data":{"k":"2"}}'),
    ],
)
def test_each_kind_of_patch_is_taken(stub: Stub, kind: str, patch: str) -> None:
    stub("create", "configmap", f"p-{kind}", "--from-literal=k=1")
    stub("patch", "configmap", f"p-{kind}", "--type", kind, "-p", patch)
    assert stub.get("configmap", f"p-{kind}")["data"] == {"k": "2"}


def test_what_create_sends_as_protobuf_arrives_as_what_it_shows(stub: Stub) -> None:
    for words in (
        ["namespace", "made"],
        ["configmap", "made", "--from-literal=a=b"],
        ["secret", "generic", "made", "--from-literal=a=b"],
        ["deployment", "made", "--image=x:1", "--replicas=0", "--port=80", "--", "sh", "-c", "x"],
        ["job", "made", "--image=x:1", "--", "date"],
        ["service", "nodeport", "made", "--tcp=80:8080"],
        ["serviceaccount", "made"],
        ["role", "made", "--verb=get", "--resource=pods"],
        ["rolebinding", "made", "--role=made", "--user=u"],
        ["clusterrole", "made", "--verb=get", "--resource=pods"],
        ["clusterrolebinding", "made", "--clusterrole=made", "--group=g"],
    ):
        end = words.index("--") if "--" in words else len(words)
        shown = [*words[:end], "--dry-run=client", "-o", "json", *words[end:]]
        wanted = json.loads(stub("create", *shown))
        stub("create", *words)
        made = stub.get(words[0], "made")
        assert contains(made, wanted), (words, made, wanted)


def contains(whole: Any, part: Any) -> bool:
    """Whether every value of ``part`` stands in ``whole``; what is empty in it need not."""
    if isinstance(part, dict):
        return all(contains((whole or {}).get(name), value) for name, value in part.items() if value not in (None, {}, ""))
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@cache
def kubectl_minor() -> int:
    """28 for v1.28: Debian 12 brings 1.20, Debian 13 brings 1.32, and a claim holds for those that can make it."""
    said = json.loads(subprocess.check_output(["kubectl", "version", "--client", "-o", "json"], timeout=CALL_SECONDS))
    return int(said["clientVersion"]["minor"].rstrip("+"))


def test_access_is_asked_and_answered(stub: Stub) -> None:
    assert stub("auth", "can-i", "delete", "nodes").strip() == "yes"
    if kubectl_minor() >= 28:  # `auth whoami` came with it
        assert "admin" in stub("auth", "whoami")


def test_a_custom_kind_checks_its_objects(stub: Stub) -> None:
    stub("apply", "-f", "-", sent=DEFINITION)
    stub("wait", "--for=condition=Established", "crd/gauges.example.com", "--timeout=5s")
    bad = stub.run("apply", "-f", "-", sent=gauge("bad", port="x"))
    assert bad.returncode == 1 and "spec.port: Invalid value" in bad.stderr
    unknown = stub.run("apply", "-f", "-", sent=gauge("bad", port=1, prot="tcp"))
    asks_for_strictness = kubectl_minor() >= 25  # older ones leave it to the server, which then warns
    assert unknown.returncode == (1 if asks_for_strictness else 0) and 'unknown field "spec.prot"' in unknown.stderr
    stub("delete", "gg", "bad", "--ignore-not-found")
    stub("apply", "-f", "-", sent=gauge("good", port=1))
    assert stub("get", "gg").split() == ["NAME", "UNIT", "good", "C"]
    if kubectl_minor() >= 27:  # older ones explain from OpenAPI v2 alone, which is empty here
        assert "port\t<integer> -required-" in stub("explain", "gauge.spec")
    assert stub.run("apply", "-f", "-", sent=gauge("good", port=70_000)).returncode == 1
    stub("delete", "crd", "gauges.example.com")
    assert stub.run("get", "gg").returncode == 1


def test_a_watch_shows_changes_as_they_come(stub: Stub) -> None:
    command = ["kubectl", "get", "cm", "-l", "seen=yes", "-w", "-o", "name"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=stub.environment) as watching:
        assert watching.stdout is not None
        try:
            until(lambda: bool(stub("create", "cm", "watched")))
            stub("label", "cm", "watched", "seen=yes")
            assert watching.stdout.readline().strip() == "configmap/watched"
        finally:
            watching.terminate()


def test_a_namespace_goes_with_what_is_in_it(stub: Stub) -> None:
    stub("create", "ns", "passing")
    stub("-n", "passing", "create", "cm", "a")
    stub("delete", "ns", "passing", "--timeout=20s")
    assert stub.run("get", "ns", "passing").returncode == 1
    refused = stub.run("-n", "passing", "create", "cm", "a")
    assert refused.returncode == 1 and 'namespaces "passing" not found' in refused.stderr


def test_nobody_without_a_token_is_answered(stub: Stub) -> None:
    server = stub("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    words = ["--kubeconfig=/dev/null", f"--server={server}", "--insecure-skip-tls-verify"]
    refused = stub.run(*words, "--token=wrong", "get", "--raw", "/api/v1/namespaces")
    assert refused.returncode == 1
    assert "Unauthorized" in refused.stderr or "You must be logged in" in refused.stderr


def test_what_was_answered_is_there_after_a_kill(stub: Stub) -> None:
    stub("create", "cm", "kept", "--from-literal=a=b")
    before = stub.get("cm", "kept")
    stub.kill()
    stub.start()
    assert stub.get("cm", "kept") == before
    stub("create", "cm", "after")
    assert int(stub.get("cm", "after")["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
