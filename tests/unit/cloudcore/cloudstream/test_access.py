"""Who may use the kubelet port."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloudcore.cloudstream.access import ACCESS_REVIEWS, GOOD_FOR, Access, Deed
from cloudcore.errors import KubeUnreachable, StreamError

LOGS = Deed("get", "proxy", "edge1")
SERVER = {"subject": ((("organizationName", "system:masters"),), (("commonName", "kube-apiserver-kubelet-client"),))}


class API:
    """Answers reviews; ``asked`` are the specs of SubjectAccessReviews."""

    def __init__(self, *, allowed: bool = True, user: dict[str, Any] | None = None, away: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self._allowed = allowed
        self._user = user
        self._away = away

    async def get(self, resource: Any, namespace: str | None, name: str) -> dict[str, Any]:
        raise NotImplementedError

    async def create(self, resource: Any, namespace: str | None, body: Any, *, subresource: str = "") -> dict[str, Any]:
        if self._away:
            raise KubeUnreachable("no answer")
        if resource is ACCESS_REVIEWS:
            self.asked.append(body["spec"])
            return {"status": {"allowed": self._allowed}}
        return {"status": {"authenticated": self._user is not None, "user": self._user}}


def code_of(api: API, certificate: Any = None, authorization: str = "") -> int:
    with pytest.raises(StreamError) as refused:
        asyncio.run(Access(api, lambda: 0.0).check(certificate, authorization, LOGS))
    return refused.value.code


def test_a_certificate_is_asked_about_by_its_name_and_groups() -> None:
    api = API()
    asyncio.run(Access(api, lambda: 0.0).check(SERVER, "", LOGS))
    assert api.asked == [
        {
            "user": "kube-apiserver-kubelet-client",
            "uid": "",
            "groups": ["system:masters", "system:authenticated"],
            "resourceAttributes": {"verb": "get", "version": "v1", "resource": "nodes", "subresource": "proxy", "name": "edge1"},
        }
    ]


def test_a_token_is_asked_about_as_whose_it_is() -> None:
    api = API(user={"username": "metrics", "uid": "7", "groups": ["g"]})
    asyncio.run(Access(api, lambda: 0.0).check(None, "Bearer abc", LOGS))
    assert (api.asked[0]["user"], api.asked[0]["uid"], api.asked[0]["groups"]) == ("metrics", "7", ["g"])


def test_a_yes_is_good_for_a_moment_and_for_that_deed_only() -> None:
    api, clock = API(), [0.0]

    async def ask() -> None:
        access = Access(api, lambda: clock[0])
        for moment, deed in ((0.0, LOGS), (GOOD_FOR - 1, LOGS), (GOOD_FOR - 1, Deed("create", "proxy", "edge1")), (GOOD_FOR + 1, LOGS)):
            clock[0] = moment
            await access.check(SERVER, "", deed)

    asyncio.run(ask())
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("api", "certificate", "authorization", "code"),
    [
        (API(), None, "", 401),
        (API(), None, "Basic abc", 401),
        (API(), None, "Bearer ", 401),
        (API(user=None), None, "Bearer abc", 401),
        (API(), {"subject": ((("organizationName", "x"),),)}, "", 401),
        (API(allowed=False), SERVER, "", 403),
        (API(away=True), SERVER, "", 503),
    ],
)
def test_who_is_not_known_or_not_allowed_is_kept_out(api: API, certificate: Any, authorization: str, code: int) -> None:
    assert code_of(api, certificate, authorization) == code
