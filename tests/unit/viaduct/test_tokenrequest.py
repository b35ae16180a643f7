from __future__ import annotations

from typing import Any

import pytest

from tests.wire.recording import recordings
from viaduct.errors import MalformedPayload
from viaduct.tokenrequest import Issued, TokenRequest, read_issued, read_request, request_content

RECORDED = {recording.name: recording.frame["content"] for recording in recordings("core") if recording.name.startswith("serviceaccount")}
REQUEST = TokenRequest("p1", "8f2b7e9a-0d3c-4b52-9d0f-0a4f2f6f3b11", "vault", 3607)


def test_the_request_that_we_make_and_read_is_the_recorded_one() -> None:
    assert request_content(REQUEST) == RECORDED["serviceaccounttoken-query"]
    assert read_request(RECORDED["serviceaccounttoken-query"]) == REQUEST


def test_a_request_without_an_audience_means_the_apis_own() -> None:
    assert read_request(request_content(TokenRequest("p1", "u1"))) == TokenRequest("p1", "u1", "", 3600)


def test_the_recorded_answer_is_read_and_shows_in_no_text() -> None:
    issued = read_issued(RECORDED["serviceaccounttoken-query-answer"])
    assert issued == Issued("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl", 3607)
    assert "eyJ" not in repr(issued)


def _bound(**changes: Any) -> dict[str, Any]:
    return {"kind": "Pod", "name": "p1", "uid": "u1", **changes}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "content"),
        ({}, "content.spec"),
        ({"spec": {}}, "content.spec.boundObjectRef"),
        ({"spec": {"boundObjectRef": _bound(kind="Secret")}}, "content.spec.boundObjectRef.kind"),
        ({"spec": {"boundObjectRef": _bound(uid="")}}, "content.spec.boundObjectRef.uid"),
        ({"spec": {"boundObjectRef": _bound(name=5)}}, "content.spec.boundObjectRef.name"),
        ({"spec": {"boundObjectRef": _bound(), "audiences": ["a", "b"]}}, "content.spec.audiences"),
        ({"spec": {"boundObjectRef": _bound(), "audiences": [5]}}, "content.spec.audiences"),
        ({"spec": {"boundObjectRef": _bound(), "expirationSeconds": True}}, "content.spec.expirationSeconds"),
        ({"spec": {"boundObjectRef": _bound(), "expirationSeconds": -1}}, "content.spec.expirationSeconds"),
    ],
)
def test_what_is_no_request_is_refused_with_the_field(content: Any, field: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        read_request(content)
    assert caught.value.field == field


@pytest.mark.parametrize("content", [None, "text", {}, {"status": {}}, {"status": {"token": ""}}, {"status": {"token": ["secret"]}}])
def test_what_is_no_answer_is_refused_without_its_content(content: Any) -> None:
    with pytest.raises(MalformedPayload) as caught:
        read_issued(content)
    assert "secret" not in str(caught.value)
