"""Volumes with a token of the pod's service account (P5.11, decision 0094): who waits for one, who does not, and how it is kept fresh."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import ConfigChanged
from edgecore.edged import maker, tokens
from edgecore.edged.volume_files import memory_root
from tests.module.edged.conftest import Stage
from tests.unit.edgecore.edged.pods import container, pod
from viaduct.tokenrequest import TokenRequest

OWN = {"name": "own", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "expirationSeconds": 700, "path": "token"}}]}}
INJECTED = {
    "name": "kube-api-access-x7k2p",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]
    },
}


def with_token(volume: dict[str, Any], *more: dict[str, Any], **spec: Any) -> dict[str, Any]:
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in (volume, *more)]
    return pod(container(volumeMounts=mounts), volumes=[volume, *more], serviceAccountName="robot", **spec)


def place(stage: Stage, volume: str) -> Path:
    """Where the container finds it."""
    (found,) = [mount for spec in stage.runtime.specs.values() for mount in spec.mounts if mount.target == f"/{volume}"][-1:]
    return Path(found.source)


def shown(stage: Stage, volume: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in place(stage, volume).iterdir() if not path.name.startswith("..")}


def test_a_pod_that_an_api_server_gave_a_token_volume_starts_with_what_there_is_and_gets_the_rest_later(stage: Stage) -> None:
    began = time.monotonic()
    stage.apply(with_token(INJECTED))
    stage.wait_phase("web-0", "Running")
    assert time.monotonic() - began < 2
    assert shown(stage, INJECTED["name"]) == {"namespace": "default"}
    assert "FailedMount" not in stage.meta.reasons("web-0")
    assert stage.meta.asked == [("robot", TokenRequest("web-0", "0d2c7a4e-1", "", 3607), False)]
    stage.meta.tokens["robot", ""] = "T1"
    stage.meta.objects["default", "configmap", "kube-root-ca.crt"] = {"data": {"ca.crt": "PEM"}}
    stage.send(ConfigChanged("default/configmap/kube-root-ca.crt"))
    stage.wait(lambda: shown(stage, INJECTED["name"]) == {"namespace": "default", "ca.crt": "PEM", "token": "T1"})
    assert len(stage.runtime.everything()) == 1, "without a restart"


def test_a_pod_that_asked_for_a_token_itself_waits_as_with_a_kubelet(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_NEEDED_PAUSES", (0.3, 0.3))
    stage.apply(with_token(OWN))
    stage.wait(lambda: stage.waiting_reason("web-0") == "ContainerCreating" and "FailedMount" in stage.meta.reasons("web-0"))
    text = 'MountVolume.SetUp failed for volume "own" : failed to fetch token: the API offers no tokens'
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["state"]["waiting"].get("message") == text)
    assert any(event["message"] == text and event["type"] == "Warning" for event in stage.meta.events.values())
    assert stage.runtime.everything() == []
    stage.meta.tokens["robot", "vault"] = "T1"
    stage.wait_phase("web-0", "Running")
    assert shown(stage, "own") == {"token": "T1"}


def test_a_token_is_renewed_in_place_and_the_pods_own_directories_are_left_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LEAST", 0.2)
    stage.meta.tokens["robot", "vault"], stage.meta.fresh = "T1", 0.2
    stage.apply(with_token(OWN, {"name": "data", "emptyDir": {}}))
    before = stage.wait_phase("web-0", "Running")
    place(stage, "data").chmod(0o700)
    stage.meta.tokens["robot", "vault"] = "T2"
    stage.wait(lambda: shown(stage, "own") == {"token": "T2"})
    assert stat.S_IMODE(place(stage, "data").stat().st_mode) == 0o700
    stage.meta.away = True
    asked = len(stage.meta.asked)
    stage.wait(lambda: len(stage.meta.asked) > asked)
    assert shown(stage, "own") == {"token": "T2"}, "offline the old one stays"
    assert stage.meta.last_status("web-0") == before


def test_a_pod_without_such_a_volume_asks_for_nothing_and_one_that_has_ended_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LEAST", 0.1)
    stage.apply(pod(name="plain", uid="plain-1"))
    stage.wait_phase("plain", "Running")
    assert stage.meta.asked == []
    stage.delete("plain")
    stage.wait(lambda: not stage.runtime.everything())
    stage.meta.tokens["robot", "vault"], stage.meta.fresh = "T1", 0.1
    stage.apply(with_token(OWN, restartPolicy="Never"))
    stage.wait_phase("web-0", "Running")
    (found,) = stage.runtime.everything()
    stage.runtime.end(found.id, 0)
    stage.wait_phase("web-0", "Succeeded")
    asked = len(stage.meta.asked)
    time.sleep(0.5)
    assert len(stage.meta.asked) == asked


def test_the_file_is_in_memory_for_the_pods_user_alone(stage: Stage) -> None:
    stage.meta.tokens["robot", "vault"] = "T1"
    stage.apply(with_token(OWN, securityContext={"runAsUser": 1234, "fsGroup": 5678}))
    stage.wait_phase("web-0", "Running")
    found = (place(stage, "own") / "token").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 5678, 0o640)
    memory = memory_root("any")
    assert memory is None or place(stage, "own").is_relative_to(memory.parent)


def test_a_token_that_gets_old_while_its_worker_is_busy_is_not_slept_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was fresh when the worker looked at the volumes, and was not any more when it asked itself how long to sleep."""
    monkeypatch.setattr(tokens, "_LEAST", 0.2)
    stage.meta.tokens["robot", "vault"], stage.meta.fresh = "T1", 0.2
    report = stage.meta.report_pod_status
    monkeypatch.setattr(stage.meta, "report_pod_status", lambda *what: (report(*what), time.sleep(0.5)))
    stage.apply(with_token(OWN))
    stage.wait_phase("web-0", "Running")
    stage.meta.tokens["robot", "vault"] = "T2"
    stage.wait(lambda: shown(stage, "own") == {"token": "T2"})


def test_a_volume_that_cannot_be_filled_is_tried_again_now_and_then_not_without_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "RETRY", 0.2)
    key = ("default", "configmap", "conf")
    stage.meta.objects[key] = {"data": {"a": "1"}}
    stage.apply(pod(container(), volumes=[{"name": "v", "configMap": {"name": "conf"}}]))
    stage.wait_phase("web-0", "Running")
    del stage.meta.objects[key]
    stage.send(ConfigChanged("default/configmap/conf"))
    stage.wait(lambda: "FailedMount" in stage.meta.reasons("web-0"))
    looks: list[str] = []
    get = stage.meta.get
    monkeypatch.setattr(stage.meta, "get", lambda *names, **more: (looks.append(names[2]), get(*names, **more))[1])

    def looks_in(seconds: float) -> int:
        looks.clear()
        time.sleep(seconds)
        return len(looks)

    assert 1 <= looks_in(1.0) <= 6
    stage.meta.objects[key] = {"data": {"a": "2"}}
    stage.wait(lambda: looks_in(0.5) == 0)


def test_a_token_that_was_lost_wakes_a_running_pod_now_and_then_not_without_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "RETRY", 0.2)
    monkeypatch.setattr(tokens, "_NEEDED_PAUSES", (0.3, 0.3))
    stage.meta.tokens["robot", "vault"] = "T1"
    stage.apply(with_token(OWN))
    stage.wait_phase("web-0", "Running")
    stage.stop()
    del stage.meta.tokens["robot", "vault"]
    stage.start()
    stage.wait(lambda: "FailedMount" in stage.meta.reasons("web-0"))
    looks: list[str] = []
    containers = stage.runtime.containers
    monkeypatch.setattr(stage.runtime, "containers", lambda uid="": (looks.append(uid), containers(uid))[1])
    time.sleep(1.0)
    assert 1 <= looks.count("0d2c7a4e-1") <= 8
    assert shown(stage, "own") == {"token": "T1"}
    assert len(stage.running("web")) == 1
