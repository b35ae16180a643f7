"""metrics.k8s.io: asked of the kubelets when somebody asks. Nothing of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from cloudstub.api.respond import json_response
from cloudstub.api.service import Call, unknown_resource
from cloudstub.api.summaries import Summaries
from cloudstub.errors import Backend, MethodNotAllowed, NotFound
from cloudstub.store.records import Key, Record
from cloudstub.verbs.listing import ListOptions, list_objects
from cloudstub.verbs.world import Target
from supervision import usage
from supervision.usage import Object


async def serve(call: Call) -> web.StreamResponse:
    """Answer a request to the group metrics.k8s.io."""
    if call.request.method != "GET":
        raise MethodNotAllowed(f"metrics are read only: {call.request.method[:20]} is not supported")
    if call.service.summaries is None:
        raise Backend("this server asks no kubelets", code=503)
    if call.subresource:
        raise unknown_resource()
    is_node = call.target.kind.kind == "NodeMetrics"
    records = _records(call, "nodes" if is_node else "pods")
    found = await (_of_nodes(call, records) if is_node else _of_pods(call, records))
    if not call.target.name:
        return json_response(usage.listed(call.target.kind.kind, found))
    if not found:
        raise NotFound(f'{call.target.kind.resource} "{call.target.name}" has no figures: it does not run, or its node cannot be reached')
    return json_response(found[0])


def _records(call: Call, plural: str) -> list[Record]:
    """The nodes or pods that are meant."""
    kind = call.world.catalog.by_resource(plural)
    assert kind is not None
    if call.target.name:
        record = call.world.store.get(Key(plural, call.target.namespace or "", call.target.name))
        return [record] if record is not None else []
    selected = ListOptions(call.request.query.get("labelSelector", ""), call.request.query.get("fieldSelector", ""))
    return list_objects(call.world, Target(kind, kind.storage, call.target.namespace), selected).records


async def _of_nodes(call: Call, records: Iterable[Record]) -> list[Object]:
    nodes = [record.value for record in records]
    found = await asyncio.gather(*map(_summaries(call).of, nodes))
    said = (usage.node_metrics(node, summary, call.world.now()) for node, summary in zip(nodes, found, strict=True) if summary)
    return [metrics for metrics in said if metrics is not None]


async def _of_pods(call: Call, records: Iterable[Record]) -> list[Object]:
    pods = [record.value for record in records if (record.value.get("status") or {}).get("phase") == "Running"]
    names = dict.fromkeys(str(pod["spec"].get("nodeName") or "") for pod in pods)
    nodes = [record.value for name in names if (record := call.world.store.get(Key("nodes", "", name))) is not None]
    found = await asyncio.gather(*map(_summaries(call).of, nodes))
    by_node: dict[str, Any] = {node["metadata"]["name"]: summary for node, summary in zip(nodes, found, strict=True) if summary}
    said = (usage.pod_metrics(pod, by_node.get(pod["spec"].get("nodeName"), {}), call.world.now()) for pod in pods)
    return [metrics for metrics in said if metrics is not None]


def _summaries(call: Call) -> Summaries:
    assert call.service.summaries is not None
    return call.service.summaries
