"""Samples as Prometheus' remote write (1.0): protobuf under snappy. The door to both libraries, which are loaded where such a sink is set.

bramble_device_value{device="thermometer", node="edge1", property="temperature"} 21.5
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from cloudcore.history.sample import Batch, number_of

METRIC = "bramble_device_value"
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_Field = descriptor_pb2.FieldDescriptorProto
_Key = tuple[str, str, str]


def _message_class() -> Any:
    """``prometheus.WriteRequest`` (prompb/remote.proto), as far as it is written here."""
    file = descriptor_pb2.FileDescriptorProto(name="bramble/remote_write.proto", package="prometheus", syntax="proto3")
    fields: dict[str, Sequence[tuple[str, int, Any, Any, str]]] = {
        "Label": (("name", 1, _Field.TYPE_STRING, _Field.LABEL_OPTIONAL, ""), ("value", 2, _Field.TYPE_STRING, _Field.LABEL_OPTIONAL, "")),
        "Sample": (
            ("value", 1, _Field.TYPE_DOUBLE, _Field.LABEL_OPTIONAL, ""),
            ("timestamp", 2, _Field.TYPE_INT64, _Field.LABEL_OPTIONAL, ""),
        ),
        "TimeSeries": (
            ("labels", 1, _Field.TYPE_MESSAGE, _Field.LABEL_REPEATED, ".prometheus.Label"),
            ("samples", 2, _Field.TYPE_MESSAGE, _Field.LABEL_REPEATED, ".prometheus.Sample"),
        ),
        "WriteRequest": (("timeseries", 1, _Field.TYPE_MESSAGE, _Field.LABEL_REPEATED, ".prometheus.TimeSeries"),),
    }
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, of in members:
            message.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("prometheus.WriteRequest")
    factory: Any = message_factory
    if hasattr(factory, "GetMessageClass"):
        return factory.GetMessageClass(found)
    return factory.MessageFactory(pool).GetPrototype(found)  # before 4.22, as in Debian 13


WriteRequest: Any = _message_class()


def body(batches: Iterable[Batch]) -> tuple[bytes, int]:
    """What is posted, and how many samples are no numbers and left out."""
    points, unfit = _points(batches)
    request = WriteRequest()
    for (device, node, name), samples in sorted(points.items()):
        series = request.timeseries.add()
        for label, value in (("__name__", METRIC), ("device", device), ("node", node), ("property", name)):
            series.labels.add(name=label, value=value)
        for time, number in sorted(samples.items()):
            series.samples.add(value=number, timestamp=time)
    return bytes(snappy.compress(request.SerializeToString())), unfit


def _points(batches: Iterable[Batch]) -> tuple[dict[_Key, dict[int, float]], int]:
    """In the order of their times and each time once: Prometheus refuses a request in which they are not."""
    points: dict[_Key, dict[int, float]] = {}
    unfit = 0
    for batch in batches:
        for one in batch.series:
            for time, value in zip(one.times, one.values, strict=True):
                number = number_of(value)
                if number is None:
                    unfit += 1
                else:
                    points.setdefault((one.device, batch.node, one.property), {})[time] = number
    return points, unfit
