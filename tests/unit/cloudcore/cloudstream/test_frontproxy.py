"""The API server as a proxy: who it may be, and for whom it asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from cloudcore.cloudstream.access import User
from cloudcore.cloudstream.frontproxy import FrontProxy, asked_for, front_proxy
from cloudcore.errors import StreamError

PROXY = FrontProxy("pem", names=("front-proxy-client",))


def certificate(name: str) -> dict[str, Any]:
    return {"subject": ((("commonName", name),),)}


def test_it_is_known_as_the_api_publishes_it() -> None:
    data = {
        "client-ca-file": "another",
        "requestheader-client-ca-file": "pem",
        "requestheader-allowed-names": json.dumps(["front-proxy-client"]),
        "requestheader-username-headers": json.dumps(["X-Remote-User", "X-User"]),
        "requestheader-group-headers": json.dumps(["X-Remote-Group"]),
    }
    assert front_proxy({"data": data}) == FrontProxy("pem", ("front-proxy-client",), ("X-Remote-User", "X-User"), ("X-Remote-Group",))
    assert front_proxy({"data": {"client-ca-file": "another"}}) is None
    assert front_proxy({}) is None


@pytest.mark.parametrize("broken", ["", "[", "{}", "7", '"text"'])
def test_headers_that_cannot_be_read_are_the_usual_ones(broken: str) -> None:
    data = {"requestheader-client-ca-file": "pem", "requestheader-username-headers": broken, "requestheader-group-headers": broken}
    assert front_proxy({"data": data}) == FrontProxy("pem")


def test_it_says_for_whom_it_asks() -> None:
    headers = CIMultiDict([("x-remote-user", "ann"), ("X-Remote-Group", "a"), ("X-Remote-Group", "b")])
    assert asked_for(PROXY, certificate("front-proxy-client"), headers) == User("ann", groups=("a", "b"))
    assert asked_for(FrontProxy("pem"), certificate("whatever"), headers).name == "ann"


@pytest.mark.parametrize(
    ("proxy", "shown", "user"),
    [
        (None, certificate("front-proxy-client"), "ann"),
        (PROXY, None, "ann"),
        (PROXY, certificate("somebody"), "ann"),
        (PROXY, {"subject": ()}, "ann"),
        (PROXY, certificate("front-proxy-client"), ""),
    ],
)
def test_nobody_else_speaks_for_others(proxy: FrontProxy | None, shown: dict[str, Any] | None, user: str) -> None:
    with pytest.raises(StreamError) as refused:
        asked_for(proxy, shown, CIMultiDict({"X-Remote-User": user}))
    assert refused.value.code == 401
