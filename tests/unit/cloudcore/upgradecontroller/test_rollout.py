"""Whom a NodeUpgradeJob tells next, and when it stops (P9.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudcore.upgradecontroller.job import chosen, entries
from cloudcore.upgradecontroller.rollout import FETCHING, NodeFact, advanced, pause_ends

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
NODES = ["a", "b", "c", "d"]
READY = {node: NodeFact(True) for node in NODES}


def job(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "j", "uid": "u"}, "spec": {"version": "2.0", "nodeNames": NODES} | spec}


def step(at: dict[str, Any], facts: dict[str, NodeFact] | None = None, now: datetime = NOW) -> dict[str, Any]:
    return at | {"status": advanced(at, NODES, READY if facts is None else facts, now)}


def states(at: dict[str, Any]) -> list[str]:
    return [entry["state"] for entry in entries(at).values()]


def said(at: dict[str, Any], now: datetime = NOW, **state: str) -> dict[str, Any]:
    """As the node's report is laid over it."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    listed = [entry | ({"state": state[name], "time": stamp} if name in state else {}) for name, entry in entries(at).items()]
    return at | {"status": at["status"] | {"nodeStatus": listed}}


def test_a_batch_is_told_when_all_of_the_one_before_have_ended() -> None:
    at = step(job(concurrency=2))
    assert (states(at), at["status"]["state"]) == (["Started", "Started", "Pending", "Pending"], "Upgrading")
    assert step(at) == at
    at = step(said(at, a="Successful"))
    assert states(at) == ["Successful", "Started", "Pending", "Pending"]
    at = step(said(at, b="Successful"))
    assert (states(at)[2:], at["status"]["progress"], entries(at)["c"]["batch"]) == (["Started", "Started"], "2/4", 2)
    at = step(said(at, c="Successful", d="Successful"))
    assert (at["status"]["state"], at["status"]["progress"]) == ("Successful", "4/4")
    assert {one["type"]: one["status"] for one in at["status"]["conditions"]} == {"Complete": "True", "Failed": "False", "Paused": "False"}


def test_the_first_batch_may_have_another_size_and_batches_a_pause_between_them() -> None:
    at = step(job(concurrency=3, firstBatch=1, batchPauseSeconds=60))
    assert states(at) == ["Started", "Pending", "Pending", "Pending"]
    at = step(said(at, a="Successful"), now=NOW + timedelta(seconds=59))
    assert (states(at)[1], pause_ends(at, NOW + timedelta(seconds=59))) == ("Pending", 1.0)
    at = step(at, now=NOW + timedelta(seconds=60))
    assert states(at)[1:] == ["Started"] * 3


@pytest.mark.parametrize(
    ("tolerated", "failed", "wanted"), [("0", 1, "Halted"), ("0.25", 1, "Upgrading"), ("0.25", 2, "Halted"), ("1", 3, "Upgrading")]
)
def test_more_failures_than_tolerated_halt_it(tolerated: str, failed: int, wanted: str) -> None:
    at = step(job(concurrency=3, failureTolerate=tolerated))
    at = step(said(at, **{node: "RolledBack" if index < failed else "Successful" for index, node in enumerate("abc")}))
    assert at["status"]["state"] == wanted
    assert states(at)[3] == ("Pending" if wanted == "Halted" else "Started")
    if wanted == "Halted":
        assert f"{failed} of 4 nodes failed" in at["status"]["reason"]
        assert states(step(at | {"spec": at["spec"] | {"failureTolerate": "1"}}))[3] == "Started"


def test_paused_it_tells_nobody_and_goes_on_afterwards() -> None:
    at = step(job(paused=True))
    assert (states(at), at["status"]["state"]) == (["Pending"] * 4, "Paused")
    at = step(at | {"spec": at["spec"] | {"paused": False}})
    assert states(at)[0] == "Started"


def test_a_node_that_is_away_or_busy_is_passed_over_and_said_so() -> None:
    at = step(job(), {"a": NodeFact(False), "b": NodeFact(True, "other"), "d": NodeFact(True)})
    assert [(entry["state"], entry.get("reason")) for entry in entries(at).values()] == [
        ("Pending", "the node is away"),
        ("Pending", "the node is busy with other"),
        ("Pending", "no such node"),
        ("Started", None),
    ]


def test_a_node_that_says_no_end_fails_and_may_still_say_it() -> None:
    at = step(job(timeoutSeconds=100))
    limit = timedelta(seconds=FETCHING + 300)
    assert pause_ends(at, NOW) == limit.total_seconds()
    assert states(step(at, now=NOW + limit - timedelta(seconds=1)))[0] == "Started"
    at = step(at, now=NOW + limit)
    assert (states(at)[0], at["status"]["state"]) == ("TimedOut", "Halted")
    at = step(said(at, a="Successful"))
    assert (at["status"]["state"], states(at)[1]) == ("Upgrading", "Started")


def test_what_is_installed_cannot_be_changed_once_it_has_begun() -> None:
    at = step(job())
    at = step(at | {"spec": at["spec"] | {"version": "3.0"}})
    assert at["status"]["state"] == "Failed"
    assert "make another job" in at["status"]["reason"]


def test_a_job_that_cannot_be_read_fails_with_the_field() -> None:
    at = step(job(version="2.0; reboot"))
    assert (at["status"]["state"], at["status"]["reason"].split(":")[0]) == ("Failed", "spec.version")
    at = step(job(failureTolerate="many"))
    assert "spec.failureTolerate" in at["status"]["reason"]


def test_nodes_are_chosen_by_name_and_by_label() -> None:
    labels = {"a": {"zone": "1"}, "b": {"zone": "2", "slow": ""}, "c": {"zone": "1", "slow": ""}}
    assert chosen(job(), labels) == NODES
    one = job(nodeNames=["z"], labelSelector={"matchLabels": {"zone": "1"}})
    assert chosen(one, labels) == ["z", "a", "c"]
    expressions = [{"key": "zone", "operator": "In", "values": ["1", "2"]}, {"key": "slow", "operator": "DoesNotExist"}]
    assert chosen(job(nodeNames=[], labelSelector={"matchExpressions": expressions}), labels) == ["a"]
    assert chosen(job(nodeNames=[], labelSelector={}), labels) == []
