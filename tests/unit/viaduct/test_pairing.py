"""The code of a board and the bodies of ``POST /pair`` (P2.12)."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct.errors import MalformedPayload
from viaduct.pairing import (
    ALPHABET,
    Answer,
    Invitation,
    answers_body,
    invitation_body,
    read_answers,
    read_code,
    read_invitation,
    read_request,
    request_body,
    shown_code,
)

OURS, THEIRS = b"A" + bytes(32), b"B" + bytes(32)


def test_no_two_characters_of_a_code_look_alike() -> None:
    for alike in ("0O", "1IL", "2Z", "5S", "8B"):
        assert len(set(alike) & set(ALPHABET)) <= 1


@pytest.mark.parametrize("text", ["KXQ7-M4TH", "kxq7m4th", " KXQ7 M4TH ", "kxq7–m4th"])
def test_a_code_is_taken_as_people_type_it(text: str) -> None:
    assert shown_code(read_code(text)) == "KXQ7-M4TH"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the 8 characters that the board shows, got 0"),
        ("KXQ7-M4T", "got 7"),
        ("KXQ7-M4THH", "got 9"),
        ("KXQ7-M4T0", "'0' is in none"),
        ("KXQ7-M4TÄ", r"'\\xc4' is in none"),
    ],
)
def test_what_can_be_no_code_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_code(text)


@given(st.text(max_size=20))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    try:
        assert set(read_code(text)) <= set(ALPHABET)
    except ValueError as exc:
        assert len(str(exc)) < 200


def test_what_is_written_is_read() -> None:
    assert read_request(request_body(OURS)) == OURS
    answers = [Answer(THEIRS, b"sealed"), Answer(THEIRS, b"")]
    assert read_answers(answers_body(answers)) == answers
    invitation = Invitation("a.b.c.d", "shed", 10000)
    assert read_invitation(invitation_body(invitation)) == invitation


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: expected JSON"),
        (b"[" * 5000, "body: expected JSON"),
        (b"[]", "body: expected an object"),
        (b"{}", "message: expected base64"),
        (b'{"message": 1}', "message: expected base64"),
        (b'{"message": "%"}', "message: expected base64"),
        (b'{"message": "QUFB"}', "message: expected base64 of 33 bytes, the first of them 'A'"),
        (request_body(THEIRS), "message: expected base64 of 33 bytes, the first of them 'A'"),
    ],
)
def test_what_is_no_question_is_refused_by_the_field(body: bytes, said: str) -> None:
    with pytest.raises(MalformedPayload, match=f"^{said}"):
        read_request(body)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (None, "answers: expected a list of at most 16"),
        ([{}] * 17, "answers: expected a list of at most 16"),
        ([1], r"answers\[0\]: expected an object"),
        ([{"message": base64.b64encode(OURS).decode(), "sealed": ""}], r"answers\[0\].message: expected .* first of them 'B'"),
        ([{"message": base64.b64encode(THEIRS).decode(), "sealed": "A" * 20_000}], r"answers\[0\].sealed: expected base64 of at most"),
    ],
)
def test_what_is_no_answer_is_refused_by_the_field(answers: object, said: str) -> None:
    with pytest.raises(MalformedPayload, match=f"^{said}"):
        read_answers(json.dumps({"answers": answers}).encode())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"token": ""}, "token: "),
        ({"token": "x" * 5000}, "token: "),
        ({"node": None}, "node: "),
        ({"hubPort": True}, "hubPort: "),
        ({"hubPort": 65536}, "hubPort: "),
    ],
)
def test_an_invitation_that_cannot_be_is_refused_and_its_token_not_repeated(change: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"token": "s3cret", "node": "", "hubPort": 1}
    with pytest.raises(MalformedPayload, match=f"^{said}") as caught:
        read_invitation(json.dumps(good | change).encode())
    assert "s3cret" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    assert "s3cret" not in repr(Invitation("s3cret", "n", 1)) + repr(Answer(THEIRS, b"s3cret"))
