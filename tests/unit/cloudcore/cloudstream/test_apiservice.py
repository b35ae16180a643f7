"""Whose metrics.k8s.io it is: ours is kept right, another's is left alone."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from cloudcore.cloudstream import apiservice
from cloudcore.cloudstream.apiservice import NAME, Fate, api_service, fate_of, keep_trusted, settle
from cloudcore.errors import KubeError, KubeForbidden, KubeNotFound
from cloudcore.kube.ownership import MANAGED_BY

OURS = api_service(("kubeedge", "cloudcore-metrics"), "ca")
ELSEWHERE = api_service(("other", "cloudcore-metrics"), "ca")
THEIRS = {
    "metadata": {"name": NAME},
    "spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}, "caBundle": "dGhlaXJz"},
}

BY_HELM = OURS | {
    "metadata": OURS["metadata"] | {"labels": {MANAGED_BY: "Helm"}, "uid": "7"},
    "spec": {key: value for key, value in OURS["spec"].items() if key != "caBundle"},
}
"""As the chart makes it."""


def applied_over(ours: dict[str, Any]) -> dict[str, Any]:
    """As ``kubectl apply`` of metrics-server's manifest leaves it: our label and annotation stay."""
    return ours | {"spec": ours["spec"] | THEIRS["spec"]}


def defaulted(ours: dict[str, Any]) -> dict[str, Any]:
    """As an API server gives it back."""
    return ours | {"status": {"conditions": []}, "metadata": ours["metadata"] | {"uid": "7", "resourceVersion": "1"}}


@pytest.mark.parametrize(
    ("there", "wanted", "fate"),
    [
        (None, OURS, Fate.CREATE),
        (None, None, Fate.KEEP),
        (defaulted(OURS), OURS, Fate.KEEP),
        (defaulted(ELSEWHERE), OURS, Fate.UPDATE),
        (defaulted(api_service(("kubeedge", "cloudcore-metrics"), "another ca")), OURS, Fate.UPDATE),
        (defaulted(OURS), None, Fate.REMOVE),
        (BY_HELM, OURS, Fate.UPDATE),
        (BY_HELM | {"spec": OURS["spec"]}, OURS, Fate.KEEP),
        (applied_over(BY_HELM), OURS, Fate.FOREIGN),
        (THEIRS, OURS, Fate.FOREIGN),
        (THEIRS, None, Fate.FOREIGN),
        (applied_over(OURS), OURS, Fate.FOREIGN),
        (applied_over(OURS), None, Fate.FOREIGN),
        ({"metadata": {"name": NAME}, "spec": OURS["spec"]}, OURS, Fate.FOREIGN),
    ],
)
def test_what_becomes_of_the_one_in_the_cluster(there: dict[str, Any] | None, wanted: dict[str, Any] | None, fate: Fate) -> None:
    assert fate_of(there, wanted) is fate


class API:
    """Holds one APIService; ``fails``: what it answers to whatever is written."""

    def __init__(self, there: dict[str, Any] | None = None, fails: KubeError | None = None) -> None:
        self.there = there
        self.asked = 0
        self._fails = fails

    async def get(self, resource: Any, namespace: str | None, name: str) -> dict[str, Any]:
        self.asked += 1
        if self.there is None or name != NAME:
            raise KubeNotFound("no such APIService")
        return copy.deepcopy(self.there)

    async def create(self, resource: Any, namespace: str | None, body: Any, *, subresource: str = "") -> dict[str, Any]:
        return self._write(dict(body))

    async def update(self, resource: Any, namespace: str | None, body: Any, *, subresource: str = "") -> dict[str, Any]:
        return self._write(dict(body))

    async def patch(self, resource: Any, namespace: str | None, name: str, patch: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def delete(
        self, resource: Any, namespace: str | None, name: str, *, grace_seconds: int | None = None, uid: str = ""
    ) -> dict[str, Any]:
        assert self.there is not None and uid == self.there["metadata"]["uid"]
        self.there = None
        return {}

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._fails is not None:
            raise self._fails
        self.there = body
        return body


def test_it_is_made_moved_with_its_service_and_taken_away_when_it_is_served_no_more() -> None:
    api = API()
    asyncio.run(settle(api, OURS))
    assert api.there == OURS
    api.there = defaulted(OURS)
    asyncio.run(settle(api, ELSEWHERE))
    assert (api.there["spec"], api.there["metadata"]["annotations"]) == (ELSEWHERE["spec"], ELSEWHERE["metadata"]["annotations"])
    assert fate_of(api.there, ELSEWHERE) is Fate.KEEP
    asyncio.run(settle(api, None))
    assert api.there is None


def test_that_of_metrics_server_stays_also_where_it_was_applied_over_ours() -> None:
    for there in (THEIRS, applied_over(defaulted(OURS))):
        api = API(copy.deepcopy(there))
        asyncio.run(settle(api, OURS))
        asyncio.run(settle(api, None))
        assert api.there == there


def test_that_of_the_chart_gets_our_ca_and_stays_helms() -> None:
    api = API(copy.deepcopy(BY_HELM))
    asyncio.run(settle(api, OURS))
    assert api.there == BY_HELM | {"spec": OURS["spec"]}


async def looked(api: API) -> None:
    """``keep_trusted`` until it has looked three times."""
    keeping = asyncio.create_task(keep_trusted(api, OURS))
    seen = api.asked
    while api.asked < seen + 3:
        await asyncio.sleep(0)
    keeping.cancel()


def test_what_helm_makes_while_cloudcore_runs_gets_our_ca_and_what_has_one_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apiservice, "LOOK_AGAIN_SECONDS", 0.0)
    api = API()
    asyncio.run(looked(api))
    assert api.there is None, "what is away is Helm's to make"
    api.there = copy.deepcopy(BY_HELM)
    asyncio.run(looked(api))
    assert api.there["spec"] == OURS["spec"]
    for other in (defaulted(ELSEWHERE), THEIRS, applied_over(OURS), BY_HELM | {"spec": ELSEWHERE["spec"] | {"caBundle": ""}}):
        api.there = copy.deepcopy(other)
        asyncio.run(looked(api))
        assert api.there == other


@pytest.mark.parametrize("fails", [KubeForbidden("no"), KubeNotFound("no such resource")])
def test_where_it_may_not_be_made_boards_are_served_all_the_same(fails: KubeError) -> None:
    api = API(fails=fails)
    asyncio.run(settle(api, OURS))
    assert api.there is None
