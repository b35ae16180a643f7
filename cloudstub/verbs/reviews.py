"""Questions about access: who is this, and may they? Whoever is authenticated may do everything here, so the answers are short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudstub.errors import BadRequest
from cloudstub.store.records import Object


@dataclass(frozen=True, slots=True)
class User:
    """Who sent a request."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()

    def as_json(self) -> Object:
        return {"username": self.name, "uid": self.uid, "groups": [*self.groups]}


WhoIs = Callable[[str], User | None]


def answer(kind: str, sent: Any, user: User, who_is: WhoIs) -> Object:
    """The review object with its status. ``who_is`` knows bearer tokens."""
    if not isinstance(sent, dict):
        raise BadRequest(f"the body must be a {kind}")
    spec = sent.get("spec") or {}
    if not isinstance(spec, dict):
        raise BadRequest("spec: must be an object")
    return {"metadata": {}, **sent, "status": _status(kind, spec, user, who_is)}


def _status(kind: str, spec: Object, user: User, who_is: WhoIs) -> Object:
    if kind == "SelfSubjectReview":
        return {"userInfo": user.as_json()}
    if kind == "TokenReview":
        found = who_is(str(spec.get("token") or ""))
        return {"authenticated": True, "user": found.as_json()} if found else {"authenticated": False}
    if kind == "SelfSubjectRulesReview":
        everything = ["*"]
        return {
            "resourceRules": [{"verbs": everything, "apiGroups": everything, "resources": everything}],
            "nonResourceRules": [{"verbs": everything, "nonResourceURLs": everything}],
            "incomplete": False,
        }
    return {"allowed": True, "reason": "every authenticated user may do everything here"}
