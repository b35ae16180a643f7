"""How the versions of a custom kind become each other: ``spec.conversion`` of a definition, and the ConversionReview of a webhook. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds.faults import forbidden, invalid, required, unsupported, wrong_type
from cloudstub.kinds.webhook_client import Client, client_errors, client_of

Object = dict[str, Any]
REVIEW_VERSION = "v1"
_PATH = "spec.conversion"
# What a conversion may change of an object's metadata.
_FREE = ("labels", "annotations")


class Unconverted(ValueError):
    """The webhook did not convert; the text says why."""


def converter_of(spec: Object) -> Client | None:
    """The webhook that converts, None where all versions have one shape."""
    conversion = spec.get("conversion") or {}
    return client_of(conversion["webhook"]["clientConfig"]) if conversion.get("strategy") == "Webhook" else None


def conversion_errors(conversion: Any) -> list[FieldError]:
    """What is wrong with ``spec.conversion``."""
    if conversion is None:
        return []
    if not isinstance(conversion, dict):
        return [wrong_type(_PATH, conversion, "an object")]
    strategy, webhook = conversion.get("strategy", "None"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        return [unsupported(f"{_PATH}.strategy", strategy, ("None", "Webhook"))]
    if strategy == "None":
        return [forbidden(f"{_PATH}.webhook", "should not be set when strategy is not set to Webhook")] if webhook else []
    if not isinstance(webhook, dict):
        return [required(f"{_PATH}.webhook", "required when strategy is set to Webhook")]
    return [
        *client_errors(webhook.get("clientConfig"), f"{_PATH}.webhook.clientConfig"),
        *review_version_errors(webhook.get("conversionReviewVersions"), f"{_PATH}.webhook.conversionReviewVersions"),
    ]


def review_version_errors(versions: Any, path: str) -> list[FieldError]:
    """A webhook must take reviews in a version that is spoken here."""
    if not isinstance(versions, list) or not versions:
        return [required(path)]
    if REVIEW_VERSION not in versions:
        return [invalid(path, versions, f"must include at least one of {REVIEW_VERSION}")]
    return []


def review(uid: str, objects: Sequence[Object], api_version: str) -> Object:
    """The question: these objects as ``api_version``, please."""
    request = {"uid": uid, "desiredAPIVersion": api_version, "objects": list(objects)}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def converted(answer: Any, uid: str, objects: Sequence[Object], api_version: str) -> list[Object]:
    """The objects of the answer, in the order of ``objects``.

    Raises:
        Unconverted: a refusal, or an answer that is none.
    """
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict) or response.get("uid") != uid:
        raise Unconverted(f"expected a ConversionReview with response.uid={uid}")
    result = response.get("result")
    if not isinstance(result, dict) or result.get("status") != "Success":
        message = result.get("message") if isinstance(result, dict) else None
        raise Unconverted(str(message or "response.result.status is not Success"))
    found = response.get("convertedObjects")
    if not isinstance(found, list) or len(found) != len(objects):
        raise Unconverted(f"expected {len(objects)} converted objects, got {len(found) if isinstance(found, list) else 'none'}")
    return [_checked(index, new, old, api_version) for index, (new, old) in enumerate(zip(found, objects, strict=True))]


def _checked(index: int, new: Any, old: Object, api_version: str) -> Object:
    where = f"invalid converted object at index {index}"
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise Unconverted(f"{where}: expected an object with metadata")
    if new.get("apiVersion") != api_version or new.get("kind") != old.get("kind"):
        raise Unconverted(
            f"{where}: expected {old.get('kind')} in {api_version}, got {new.get('kind')!r:.60} in {new.get('apiVersion')!r:.80}"
        )
    if _fixed(new["metadata"]) != _fixed(old["metadata"]):
        raise Unconverted(f"{where}: metadata may not change but for labels and annotations")
    for field in _FREE:
        values = new["metadata"].get(field) or {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise Unconverted(f"{where}: metadata.{field}: expected an object of strings")
    return new


def _fixed(metadata: Object) -> Object:
    return {key: value for key, value in metadata.items() if key not in _FREE}
