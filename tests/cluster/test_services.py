"""The claims of tests/system/test_services.py, with the fixtures of this folder: real Endpoints of a real controller."""

from __future__ import annotations

from tests.system.test_services import *  # noqa: F403
from tests.system.test_services import Talk


def test_kubectl_tells_who_is_behind_the_service(talk: Talk) -> None:
    """In place of the claim of that name: kubectl describes a Service by EndpointSlices in discovery/v1, from Kubernetes 1.21 on."""
    [line] = talk.site.kubectl("get", "endpoints", "backend", "--no-headers").splitlines()
    assert all(f"{pod['status']['podIP']}:8080" in line for pod in talk.site.pods("app=backend"))
