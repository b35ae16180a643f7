"""Answers as a person sees them."""

from __future__ import annotations

from typing import Any

import pytest

from edgecore.localapi import tables

NOW = 1_600_000_000.0
STAMP = "2020-09-13T12:26:40Z"


def pod(**status: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "default", "creationTimestamp": STAMP}
    return {"metadata": meta, "spec": {"containers": [{"name": "main", "image": "i"}]}, "status": status}


@pytest.mark.parametrize(
    ("shown", "word"),
    [
        (pod(), "Pending"),
        (pod(phase="Running"), "Running"),
        (pod(phase="Pending", containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull"}}}]), "ErrImagePull"),
        (pod(phase="Failed", containerStatuses=[{"state": {"terminated": {"reason": "Error", "exitCode": 1}}}]), "Error"),
        (pod(phase="Failed", reason="Evicted"), "Evicted"),
        ({**pod(phase="Running"), "metadata": {"name": "web", "deletionTimestamp": STAMP}}, "Terminating"),
    ],
)
def test_the_state_of_a_pod_is_the_word_that_kubectl_shows(shown: dict[str, Any], word: str) -> None:
    assert tables.pod_state(shown) == word


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-5, "0s"), (179, "179s"), (180, "3m"), (10_800, "3h"), (172_799, "47h"), (172_800, "2d")]
)
def test_an_age_has_one_unit(seconds: int, text: str) -> None:
    assert tables.span(seconds) == text


def test_pods_are_a_table_as_of_kubectl() -> None:
    shown = pod(phase="Running", podIP="10.0.0.2", containerStatuses=[{"ready": True, "restartCount": 3}])
    text = tables.listing("pods", [shown], now=NOW + 200, all_namespaces=True, wide=True)
    assert [line.split() for line in text.splitlines()] == [
        ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"],
        ["default", "web", "1/1", "Running", "3", "3m", "10.0.0.2"],
    ]


def test_a_link_that_is_away_shows_for_how_long() -> None:
    status = {
        **dict.fromkeys(("node", "version", "engineTrouble", "storeTrouble"), ""),
        **dict.fromkeys(("outbox", "pods", "containers", "devices"), 1),
        "link": {"connected": False, "ledger": False, "seconds": 7300},
        "modules": [{"name": "edged", "running": False, "restarts": 1, "lastError": "boom"}],
    }
    text = tables.overview(status)
    assert "offline for 121m (7300 s)" in text
    assert "edged (down: boom)" in text
