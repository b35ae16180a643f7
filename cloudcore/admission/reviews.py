"""ConversionReview and AdmissionReview: from the API server's question to our answer. Pure.

Whatever cannot be read as a question raises ``Malformed``; what can be read is always answered, refusals included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudcore.admission.judgement import Judgement
from cloudcore.devices.conversion import GROUP, Unconvertible, converted
from cloudcore.ports import JsonObject

Judge = Callable[[JsonObject, str], Judgement]
"""``(object, namespace)``: what is to be said of it."""


class Malformed(ValueError):
    """The body is not a review; the text names the field."""


def answer_conversion(review: Any) -> JsonObject:
    """The answer to a ConversionReview (apiextensions.k8s.io/v1): every object converted, or none.

    Raises:
        Malformed: it is none.
    """
    request = _request(review, "ConversionReview", "apiextensions.k8s.io/v1")
    wanted, objects = request.get("desiredAPIVersion"), request.get("objects")
    if not isinstance(wanted, str):
        raise Malformed("request.desiredAPIVersion: expected text")
    if not isinstance(objects, list) or not all(isinstance(obj, dict) for obj in objects):
        raise Malformed("request.objects: expected a list of objects")
    group, _, version = wanted.rpartition("/")
    if group != GROUP:
        return _conversion(review, request, _failed(f"request.desiredAPIVersion: expected a version of {GROUP}, got {wanted[:80]!r}"))
    made = []
    for index, obj in enumerate(objects):
        try:
            made.append(converted(obj, version))
        except Unconvertible as exc:
            return _conversion(review, request, _failed(f"request.objects[{index}]: {exc}"))
    return _conversion(review, request, {"result": {"status": "Success"}, "convertedObjects": made})


def _failed(message: str) -> JsonObject:
    return {"result": {"status": "Failed", "message": message}, "convertedObjects": []}


def _conversion(review: JsonObject, request: JsonObject, response: JsonObject) -> JsonObject:
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": {"uid": request["uid"]} | response}


def answer_admission(review: Any, judge: Judge) -> JsonObject:
    """The answer to an AdmissionReview (admission.k8s.io/v1), as ``judge`` sees the new object.

    Raises:
        Malformed: it is none.
    """
    request = _request(review, "AdmissionReview", "admission.k8s.io/v1")
    obj = request.get("object")
    if obj is not None and not isinstance(obj, dict):
        raise Malformed("request.object: expected an object")
    judged = judge(obj, str(request.get("namespace") or "")) if obj is not None else Judgement()
    response: JsonObject = {"uid": request["uid"], "allowed": not judged.faults}
    if judged.faults:
        response["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(judged.faults)}
    if judged.warnings:
        response["warnings"] = list(judged.warnings)
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _request(review: Any, kind: str, api_version: str) -> JsonObject:
    if not isinstance(review, dict):
        raise Malformed(f"expected a {kind}, got {type(review).__name__}")
    for field, wanted in (("kind", kind), ("apiVersion", api_version)):
        if review.get(field) != wanted:
            raise Malformed(f"{field}: expected {wanted}, got {str(review.get(field))[:80]!r}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise Malformed("request: expected an object")
    if not isinstance(request.get("uid"), str) or not request["uid"]:
        raise Malformed("request.uid: expected text")
    return request
