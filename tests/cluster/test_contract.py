"""What controllers rely on (tests/contract/kube), of CloudCore's client against a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cloudcore.kube.client import KubeClient
from cloudcore.kube.kubeconfig import read_kubeconfig
from demo.parts import quietly
from demo.stage import PATIENCE
from tests.cluster.site import ClusterSite
from tests.contract.kube.test_kube import (  # noqa: F401
    test_a_pod_bound_to_a_node_goes_when_the_node_lets_it,
    test_a_second_creation_an_old_version_and_another_uid_are_refused,
    test_status_is_written_by_its_subresource_only,
    test_what_was_created_is_read_updated_and_deleted,
)


@pytest.fixture
def run(site: ClusterSite) -> Iterator[Callable[[Callable[[Any], Awaitable[None]]], None]]:
    def go(scenario: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            client = KubeClient(read_kubeconfig(site.kubeconfig))
            try:
                async with asyncio.timeout(20 * PATIENCE):
                    await scenario(client)
            finally:
                await client.close()

        asyncio.run(main())

    yield go
    quietly(lambda: site.kubectl("delete", "pod", "web", "--ignore-not-found", "--force", "--grace-period=0"))
    quietly(lambda: site.kubectl("delete", "configmap", "a", "--ignore-not-found"))
