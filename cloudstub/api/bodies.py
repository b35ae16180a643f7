"""Request bodies: from bytes to values, within limits."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import yaml

from cloudstub.api import protobuf
from cloudstub.errors import BadRequest, TooLarge, UnsupportedMediaType

BODY_LIMIT = 3 * 1024 * 1024
YAML_LIMIT = 512 * 1024
DEPTH_LIMIT = 200
_QUOTED = 500
JSON_TYPES = ("application/json", "")
YAML_TYPES = ("application/yaml", "application/apply-patch+yaml", "text/yaml", "application/x-yaml")


_UNFIT = (ValueError, TypeError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises where a tag (``!!bool x``) does not fit its value."""

# The C parser where PyYAML has it: the other one is some fifty times slower, and everybody waits meanwhile.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Base):  # type: ignore[misc]
    """YAML as Kubernetes reads it: times stay text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(raw: bytes, media_type: str) -> Any:
    """The value in a body; None for an empty one.

    Raises:
        BadRequest: not what its type says, or nested too deeply.
        TooLarge: more YAML than is read in reasonable time.
        UnsupportedMediaType: neither JSON nor YAML nor protobuf.
    """
    if not raw.strip():
        return None
    if media_type in YAML_TYPES:
        return _from_yaml(raw)
    if media_type == protobuf.MEDIA_TYPE:
        return protobuf.parse(raw)
    if media_type in JSON_TYPES or media_type.endswith("+json"):
        return _from_json(raw)
    accepted = f"application/json, application/yaml, {protobuf.MEDIA_TYPE}"
    raise UnsupportedMediaType(f"the body of the request was in an unknown format ({media_type}) - accepted media types: {accepted}")


def _from_json(raw: bytes) -> Any:
    try:
        value = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\ud" in raw or b"\\uD" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise BadRequest("the body is not JSON: half of a surrogate pair is not text") from exc
    except RecursionError as exc:
        raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels") from exc
    except (ValueError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the body is not JSON: {str(exc)[:_QUOTED]}") from exc
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT:
        _require_shallow(value)
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:32]} is larger than any number here")
    return number


def _from_yaml(raw: bytes) -> Any:
    if raw.lstrip().startswith(b"{"):
        # JSON is YAML, and quicker read as what it is; kubectl sends it under YAML's name.
        return _from_json(raw)
    if len(raw) > YAML_LIMIT:
        raise TooLarge(f"Request entity too large: limit for YAML is {YAML_LIMIT} bytes; send JSON")
    try:
        _require_plain(raw)
        value = yaml.load(raw, Loader=_PlainLoader)
        # Through JSON, so that keys become text and whatever JSON does not have is refused.
        text = json.dumps(value, allow_nan=False)
    except RecursionError as exc:
        raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels") from exc
    except (yaml.YAMLError, *_UNFIT) as exc:
        if "nesting depth" in str(exc):  # libyaml looks ahead, so its own limit may come before ours
            raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels") from exc
        raise BadRequest(f"the body is not YAML that JSON could say: {str(exc)[:_QUOTED]}") from exc
    return _from_json(text.encode())


def _require_plain(raw: bytes) -> None:
    """Refuse depth while it is being read, and aliases: a few bytes that can stand for gigabytes."""
    depth = 0
    for event in yaml.parse(raw, Loader=_PlainLoader):
        if isinstance(event, yaml.AliasEvent):
            raise BadRequest("the body is YAML with aliases, which are not accepted")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [child for parent in level if isinstance(parent, dict | list) for child in _children(parent)]
        if not level:
            return
    raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels")


def _children(parent: dict[str, Any] | list[Any]) -> Any:
    return parent.values() if isinstance(parent, dict) else parent
