"""Tokens of service accounts and pods with a deadline, on real Podman."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edgecore.edged import tokens
from tests.system.edged.conftest import Board

pytestmark = pytest.mark.system

API_ACCESS = "/var/run/secrets/kubernetes.io/serviceaccount"
INJECTED: dict[str, Any] = {
    "name": "kube-api-access-x7k2p",
    "projected": {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ],
    },
}
OWN = {"name": "vault", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "expirationSeconds": 700, "path": "t"}}]}}


def test_a_token_is_in_the_container_for_its_user_and_is_renewed_while_it_runs(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_USEFUL_PAUSES", (1.0, 1.0))
    document = board.pod(
        "tokens",
        volumes=[INJECTED, OWN],
        volumeMounts=[{"name": INJECTED["name"], "mountPath": API_ACCESS, "readOnly": True}, {"name": "vault", "mountPath": "/vault"}],
        securityContext={"runAsUser": 1000},
    )
    board.apply(document)
    text = 'MountVolume.SetUp failed for volume "vault" : failed to fetch token: the API offers no tokens'
    board.meta.wait_for(lambda: any(event["message"] == text for event in board.meta.events.values()), 20)
    board.meta.tokens["default", "vault"], board.meta.fresh = "vault-1", 2.0
    status = board.running("tokens")
    assert board.inside("tokens", "/bin/sh", "-c", f"cat /vault/t; ls {API_ACCESS}") == "vault-1namespace"
    assert board.inside("tokens", "/bin/sh", "-c", "stat -L -c '%u %a' /vault/t") == "1000 600"
    board.meta.tokens |= {("default", "vault"): "vault-2", ("default", ""): "api-1"}
    board.meta.wait_for(lambda: board.inside("tokens", "/bin/cat", "/vault/t") == "vault-2", 20)
    board.meta.wait_for(lambda: board.inside("tokens", "/bin/sh", "-c", f"cat {API_ACCESS}/token || true") == "api-1", 20)
    board.meta.away = True
    asked = len(board.meta.asked)
    board.meta.wait_for(lambda: len(board.meta.asked) > asked, 20)
    assert board.inside("tokens", "/bin/sh", "-c", f"cat /vault/t {API_ACCESS}/token") == "vault-2api-1"
    board.meta.away = False
    assert board.meta.last_status("tokens") == status
    board.delete("tokens")


def test_a_pod_ends_at_its_deadline_also_when_edgecore_was_away_and_its_log_stays(board: Board) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo hello; while true; do sleep 0.1; done"
    document = board.pod("late", "/bin/sh", "-c", script)
    document["spec"]["activeDeadlineSeconds"] = 8
    board.apply(document)
    began = time.monotonic()
    status = board.running("late")
    container = status["containerStatuses"][0]["containerID"].removeprefix("podman://")
    board.stop()
    time.sleep(2)
    board.start()
    board.meta.wait_for(lambda: board.meta.last_status("late").get("phase") == "Failed", 20)
    assert 7 <= time.monotonic() - began < 14
    ended = board.meta.last_status("late")
    assert (ended["reason"], ended["message"]) == ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    (main,) = ended["containerStatuses"]
    assert (main["state"]["terminated"]["exitCode"], main["containerID"]) == (7, f"podman://{container}")
    assert board.podman.run("logs", container).split() == ["hello", "bye"]
    assert "DeadlineExceeded" in board.meta.reasons("late")
    board.stop()
    board.start()
    time.sleep(3)
    assert board.podman.run("inspect", "--format", "{{.State.Status}}", container) == "exited", "it does not run again"
    assert board.meta.last_status("late") == ended
    board.delete("late")
    board.meta.wait_for(lambda: container not in board.podman.ids(), 20)
