"""``kubectl top``: metrics.k8s.io as kubelets say it of themselves (``/stats/summary``). Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"

_WINDOW = "1s"
"""Over which a rate was measured; a kubelet does not say."""


def node_metrics(node: Object, summary: Object, now: str) -> Object | None:
    """The NodeMetrics of ``node``; None where its kubelet says too little. ``now``: where the kubelet names no time."""
    said = _dict(summary.get("node"))
    usage = _usage(said)
    return None if usage is None else _metrics("NodeMetrics", node, said, now) | {"usage": usage}


def pod_metrics(pod: Object, summary: Object, now: str) -> Object | None:
    """The PodMetrics of ``pod``; None where its kubelet says nothing of it yet."""
    metadata = pod["metadata"]
    wanted = (metadata.get("namespace"), metadata.get("name"))
    for said in map(_dict, _list(summary.get("pods"))):
        reference = _dict(said.get("podRef"))
        if (reference.get("namespace"), reference.get("name")) != wanted:
            continue
        usages = [(str(c.get("name") or ""), _usage(c)) for c in map(_dict, _list(said.get("containers")))]
        containers = [{"name": name, "usage": usage} for name, usage in usages if usage is not None]
        return _metrics("PodMetrics", pod, said, now) | {"containers": containers} if containers else None
    return None


def listed(kind: str, items: list[Object]) -> Object:
    return {"kind": f"{kind}List", "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _metrics(kind: str, of: Object, said: Object, now: str) -> Object:
    metadata = of["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if metadata.get(name)}
    stamp = str(_dict(said.get("cpu")).get("time") or now)
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {**kept, "creationTimestamp": now},
        "timestamp": stamp,
        "window": _WINDOW,
    }


def _usage(said: Object) -> Object | None:
    cores, memory = _dict(said.get("cpu")).get("usageNanoCores"), _dict(said.get("memory")).get("workingSetBytes")
    if type(cores) is not int or type(memory) is not int or cores < 0 or memory < 0:
        return None
    return {"cpu": f"{cores}n", "memory": f"{memory // 1024}Ki"}


def _dict(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
