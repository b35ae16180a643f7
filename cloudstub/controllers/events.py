"""Events (core/v1) that controllers tell. One fact has one name, so that a fact told twice is stored once."""

from __future__ import annotations

from datetime import datetime

from cloudstub.controllers.objects import Object, name_of, namespace_of, safe_hash, text_of, uid_of
from cloudstub.controllers.writes import Create


def about(
    obj: Object, *, kind: str, api_version: str, reason: str, message: str, component: str, now: datetime, is_warning: bool = False
) -> Create:
    """The write that tells ``message`` about ``obj``."""
    namespace = namespace_of(obj) or "default"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name_of(obj)[:230]}.{safe_hash([uid_of(obj), reason, message], 16)}",
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": api_version,
            "kind": kind,
            "name": name_of(obj),
            "namespace": namespace_of(obj),
            "uid": uid_of(obj),
        },
        "reason": reason,
        "message": message,
        "type": "Warning" if is_warning else "Normal",
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": text_of(now),
        "lastTimestamp": text_of(now),
        "count": 1,
    }
    return Create("events", namespace, event)
