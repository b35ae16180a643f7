"""A NodeUpgradeJob over a real cloudstub, with the rights of rbac.yaml, to a board that is played by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.errors import KubeInvalid
from cloudcore.kube.client import KubeClient
from cloudcore.kube.resources import NODE_UPGRADE_JOBS
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import eventually, hear_of, world
from tests.fakes.edge import report, runs

TASK = "null/nodeupgradejob/up"


def job(**spec: Any) -> dict[str, Any]:
    spec = {"version": "0.2.0", "nodeNames": ["edge1"]} | spec
    return {"apiVersion": NODE_UPGRADE_JOBS.api_version, "kind": NODE_UPGRADE_JOBS.kind, "metadata": {"name": "up"}, "spec": spec}


async def status(kube: KubeClient) -> dict[str, Any]:
    found: dict[str, Any] = (await kube.get(NODE_UPGRADE_JOBS, None, "up")).get("status", {})
    return found


@runs
async def test_a_board_is_told_says_how_far_it_is_over_a_restart_of_cloudcore_and_the_job_ends() -> None:
    async with world() as (made, kube):
        edge, context = await made.board()
        await kube.create(NODE_UPGRADE_JOBS, None, job())
        told = await hear_of(edge, TASK, "insert")
        uid = told.content["metadata"]["uid"]
        assert (told.content["spec"], told.route.source) == ({"version": "0.2.0", "timeoutSeconds": 300}, "upgradecontroller")
        await edge.say(report("null/nodeupgradejobstatus/up", content={"uid": uid, "status": {"state": "Upgrading"}}))
        await eventually(lambda: is_at(kube, "Upgrading"))
        await made.core.stop()
        await made.start_core()
        edge = await made.connect(context, "edge1", (TASK, uid, told.header.resource_version))
        ending = {"state": "RolledBack", "reason": "no link", "fromVersion": "0.1.0", "toVersion": "0.2.0"}
        await edge.say(report("null/nodeupgradejobstatus/up", content={"uid": uid, "status": ending}))
        await hear_of(edge, TASK, "delete")
        assert await eventually(lambda: is_at(kube, "RolledBack"))
        found = await eventually(lambda: has_ended(kube))
        assert (found["state"], found["failed"], found["reason"]) == ("Failed", 1, "1 of 1 nodes failed, spec.failureTolerate is 0.1")


@runs
async def test_what_is_no_version_no_address_and_no_share_is_refused_when_it_is_applied() -> None:
    async with world() as (_, kube):
        for spec in (
            {"version": "1; reboot"},
            {"upgradeTool": "keadm"},
            {"failureTolerate": "2"},
            {"upgradeTool": "deb", "packages": [{"url": "file:///x.deb", "sha256": "0" * 64}]},
        ):
            with pytest.raises(KubeInvalid):
                await kube.create(NODE_UPGRADE_JOBS, None, job(**spec))


async def is_at(kube: KubeClient, state: str) -> bool:
    return [entry["state"] for entry in (await status(kube)).get("nodeStatus", [])] == [state]


async def has_ended(kube: KubeClient) -> dict[str, Any] | None:
    found = await status(kube)
    return found if found.get("state") == "Failed" else None
