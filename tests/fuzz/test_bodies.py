"""Hostile bodies over HTTP, and what signs and lets in: an answer or a refusal of the client's fault, never anything else (X7)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.errors import IdentityError
from cloudcore.pki import bearer, tokens
from cloudcore.pki.certificates import Signer, Validity, create_authority, read_request, signed_by
from cloudcore.pki.pairings import read_pairings, waiting
from cloudcore.pki.signing import check_node_name, check_request
from cloudstub.api import bodies, protobuf
from cloudstub.errors import ApiError
from cloudstub.kinds.builtin import BUILTIN
from cloudstub.patches import json_patch, merge_patch, strategic
from cloudstub.verbs import listing, selectors
from edgecore.certs import keys
from edgecore.certs.identity import NodeIdentity, from_json, to_json
from edgecore.certs.jointoken import parse_endpoint, parse_token
from edgecore.errors import IdentityError as BoardsIdentityError
from tests.fuzz.hostile import damaged, each_spoilt, encoded, fuzzed, json_bodies, junk, refuses_well, spoilt, texts
from tests.unit.cloudstub.api.test_protobuf import body, field
from viaduct import pairing
from viaduct.errors import MalformedPayload

CONTAINER = {"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "env": [{"name": "A", "value": "b"}]}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a": "b"}, "finalizers": ["a.b/c"]},
    "spec": {"containers": [CONTAINER], "volumes": [{"name": "v", "emptyDir": {}}]},
}
JSON_PATCH = [
    {"op": "add", "path": "/metadata/labels/x", "value": "y"},
    {"op": "copy", "from": "/spec/containers/0", "path": "/spec/containers/-"},
    {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/b"},
    {"op": "test", "path": "/metadata/name", "value": "p"},
    {"op": "remove", "path": "/spec/volumes/0"},
]
STRATEGIC = {
    "metadata": {"labels": {"a": None}, "$deleteFromPrimitiveList/finalizers": ["a.b/c"]},
    "spec": {
        "containers": [{"name": "c", "image": "j"}, {"name": "d", "$patch": "delete"}],
        "$setElementOrder/containers": [{"name": "c"}],
        "volumes": [{"name": "v", "$retainKeys": ["name"]}],
    },
}


def client_fault(read: Callable[[], Any]) -> Any:
    def act() -> Any:
        try:
            return read()
        except ApiError as exc:
            assert 400 <= exc.code < 500, exc
            raise

    return refuses_well(act, ApiError)


def body_can_be_kept(raw: bytes, media_type: str) -> None:
    value = client_fault(lambda: bodies.parse(raw, media_type))
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
def test_a_body_with_junk_in_any_place_can_be_kept_or_is_refused(media_type: str) -> None:
    for bad in each_spoilt(POD):
        body_can_be_kept(encoded(bad).encode(), media_type)


YAML = b"""
a: &x {b: [1, 2.5, 0x10, 0o17, 1:30:00, ~, .inf, yes]}
"c": "\\u00e9"
? [d]
: |
  text
e: !!binary YQ==
f: 2024-01-01
g: !!set {h, i}
"""


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml", protobuf.MEDIA_TYPE])
@fuzzed
@given(data=st.data())
def test_a_damaged_body_can_be_kept_or_is_refused(media_type: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([json.dumps(POD).encode(), YAML, PROTOBUF]))
    body_can_be_kept(data.draw(damaged(good) | st.binary(max_size=64)), media_type)


TAGS = ("int", "float", "bool", "null", "timestamp", "binary", "set", "omap", "pairs", "str", "map", "seq", "merge", "value", "nonsense")


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("value", ["", "x", "[]", "[1]", "{}", "{a: 1}", "'-'", "'.'", "0b", "0x", "'1:x'", "99999-99-99"])
def test_a_yaml_tag_that_does_not_fit_its_value_is_refused(tag: str, value: str) -> None:
    body_can_be_kept(f"a: !!{tag} {value}\n".encode(), "application/yaml")


PROTOBUF = body(
    "v1",
    "Pod",
    field(1, field(1, b"p") + field(11, field(1, b"a") + field(2, b"b")))
    + field(2, field(2, field(1, b"c") + field(2, b"i") + field(6, field(3, 80)))),
)


@fuzzed
@given(data=st.data())
def test_protobuf_of_any_kind_with_any_fields_is_read_or_refused(data: st.DataObject) -> None:
    numbers = st.integers(1, 40)
    leaf = st.binary(max_size=6) | st.integers(0, 2**64 - 1)
    message = st.recursive(
        st.lists(st.tuples(numbers, leaf), max_size=4).map(_joined),
        lambda inner: st.lists(st.tuples(numbers, inner | leaf), max_size=4).map(_joined),
        max_leaves=12,
    )
    kind = data.draw(st.sampled_from(sorted(protobuf.MESSAGES)))
    body_can_be_kept(body("v1", kind, data.draw(message)), protobuf.MEDIA_TYPE)


def _joined(fields: list[tuple[int, bytes | int]]) -> bytes:
    return b"".join(field(number, content) for number, content in fields)


PATCHES: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda patch: json_patch.apply(POD, patch), JSON_PATCH),
    (lambda patch: merge_patch.apply(POD, patch), {"metadata": {"labels": {"a": None, "b": {"c": 1}}}}),
    (lambda patch: strategic.apply(POD, patch, "Pod"), STRATEGIC),
]


@pytest.mark.parametrize(("apply", "good"), PATCHES)
def test_a_patch_with_junk_in_any_place_applies_or_is_refused_and_the_object_stays_as_it_was(
    apply: Callable[[Any], Any], good: Any
) -> None:
    before = json.dumps(POD)
    for bad in each_spoilt(good):
        client_fault(lambda bad=bad: apply(bodies.parse(encoded(bad).encode(), "application/json")))
        assert json.dumps(POD) == before


@pytest.mark.parametrize(("apply", "good"), PATCHES)
@fuzzed
@given(data=st.data())
def test_a_spoilt_patch_applies_or_is_refused(apply: Callable[[Any], Any], good: Any, data: st.DataObject) -> None:
    bad = data.draw(spoilt(good))
    client_fault(lambda: apply(bodies.parse(encoded(bad).encode(), "application/json")))


@fuzzed
@given(text=texts | st.text("abc=!,() in ntos<>.-/\\") | junk.map(str))
def test_selectors_and_tokens_in_a_query_are_read_or_refused(text: str) -> None:
    pods = next(kind for kind in BUILTIN if kind.plural == "pods")
    client_fault(lambda: selectors.predicate(text, "", pods))
    client_fault(lambda: selectors.predicate("", text, pods))
    client_fault(lambda: selectors.single_name(text, pods))


NOW = datetime(2024, 5, 1, tzinfo=UTC)
VALIDITY = Validity(NOW, NOW + timedelta(days=1))
CA, CA_KEY = create_authority("test", 1, VALIDITY)
SIGNER = Signer(CA, CA_KEY)
CANDIDATE = keys.make_candidate("edge1")
LEAF = SIGNER.sign_node(CANDIDATE.request, "system:node:edge1", "system:nodes", 2, VALIDITY)


@fuzzed
@given(data=st.data())
def test_requests_and_certificates_are_read_or_refused(data: st.DataObject) -> None:
    request = data.draw(damaged(CANDIDATE.request) | st.binary(max_size=64))
    asked = refuses_well(lambda: read_request(request), IdentityError)
    if asked is not None:
        refuses_well(lambda: check_request(asked), IdentityError)
    der = data.draw(damaged(LEAF) | st.binary(max_size=64))
    refuses_well(lambda: SIGNER.read_issued(der), IdentityError)
    assert signed_by(der, der, b"") is False
    refuses_well(lambda: Signer(der, CA_KEY), IdentityError)
    refuses_well(lambda: keys.to_pem(der), BoardsIdentityError)
    pem = data.draw(damaged(keys.to_pem(LEAF)))
    refuses_well(lambda: keys.to_der(pem), BoardsIdentityError)
    refuses_well(lambda: keys.describe(pem, keys.to_pem(CA)), BoardsIdentityError)
    refuses_well(lambda: keys.describe(keys.to_pem(LEAF), pem), BoardsIdentityError)
    refuses_well(lambda: keys.sign(data.draw(damaged(CANDIDATE.key_pem)), b"x"), BoardsIdentityError)


BEARER = bearer.encode(CA_KEY, bearer.Claims("id", 2**31))
RECORD = {"id": "id", "created": 1, "expires": 2**33, "one_time": True, "used_by": "", "used_at": 0, "used_key": ""}


@fuzzed
@given(data=st.data())
def test_join_tokens_are_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(damaged(f"{'0' * 64}.{BEARER}".encode()).map(lambda raw: raw.decode("latin-1")) | texts)
    refuses_well(lambda: parse_token(text), BoardsIdentityError)
    refuses_well(lambda: bearer.decode(CA_KEY, text), IdentityError)
    refuses_well(lambda: parse_endpoint(text, 10002, "--cloud"), BoardsIdentityError)
    refuses_well(lambda: tokens.parse_ttl(text), ValueError)
    refuses_well(lambda: check_node_name(text), IdentityError)


@pytest.mark.parametrize(
    "part", [b"[" * 6000, b"{}", b"", b"null", b'{"alg":"none"}', b'{"alg":["HS256"]}', b'{"alg":"HS256","crit":["x"]}']
)
def test_a_bearer_with_any_header_is_refused(part: bytes) -> None:
    header = base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    with pytest.raises(IdentityError):
        bearer.decode(CA_KEY, f"{header}.{BEARER.split('.', 1)[1]}")


def test_a_register_with_junk_in_any_place_lets_nobody_in_by_it() -> None:
    claims = bearer.Claims("id", 2**33)
    for bad in each_spoilt(RECORD):
        data = {"id": encoded(bad).encode()}
        refuses_well(lambda data=data: tokens.admitted(data, claims, node="edge1", key="k", now=1.0), IdentityError)
        refuses_well(lambda data=data: tokens.entered(data, tokens.TokenRecord("other", 1, 2), 1.0))


def test_what_boards_and_sites_say_of_a_pairing_with_junk_in_any_place_is_read_or_refused() -> None:
    point = base64.b64encode(b"A" + bytes(32)).decode()
    answer = {"message": base64.b64encode(b"B" + bytes(32)).decode(), "sealed": "AAAA"}
    bodies_: list[tuple[Callable[[bytes], Any], Any]] = [
        (pairing.read_request, {"message": point}),
        (pairing.read_answers, {"answers": [answer, answer]}),
        (pairing.read_invitation, {"token": "a.b.c.d", "node": "n", "hubPort": 10000}),
    ]
    for read, good in bodies_:
        for bad in each_spoilt(good):
            raw = encoded(bad).encode()
            refuses_well(lambda: read(raw), MalformedPayload)  # noqa: B023


def test_a_list_of_pairings_with_junk_in_any_place_pairs_nobody_by_it() -> None:
    good = {"token_id": "t", "code": "KXQ7M4TH", "token": "a.b.c.d", "expires": 2_000_000_000, "node": ""}
    assert len(read_pairings({"t": json.dumps(good).encode()})) == 1
    for bad in each_spoilt(good):
        for found in waiting(read_pairings({"t": encoded(bad).encode()}), now=1.0):
            assert pairing.read_code(found.code) == found.code and found.token_id == "t"
            pairing.invitation_body(pairing.Invitation(found.token, found.node, 1))


def test_the_file_of_an_identity_with_junk_in_any_place_is_no_identity() -> None:
    good = json.loads(to_json(NodeIdentity("edge1", 1, 2, "3", "d", "a")))
    for bad in each_spoilt(good):
        from_json(encoded(bad).encode())
    assert from_json(b"[" * 100_000) is None


@fuzzed
@given(raw=json_bodies(["5", "default", "web"]).map(base64.urlsafe_b64encode) | st.binary(max_size=30))
def test_a_place_in_a_list_is_read_or_refused(raw: bytes) -> None:
    client_fault(lambda: listing._decode(raw.decode("latin-1")))
