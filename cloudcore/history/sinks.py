"""Which sinks the config asks for. What one of them needs is loaded here, only where it is asked for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import urlsplit

from cloudcore.config import HistorySinks, InfluxSink, MqttSinkConfig, PrometheusSink, Webhook
from cloudcore.errors import ConfigError
from cloudcore.history import lineprotocol, text
from cloudcore.history.outlet import Outlet, Sink

_TLS_PORT, _PORT = 8883, 1883


def outlets(config: HistorySinks) -> list[Outlet]:
    """Raises ConfigError where a sink needs a library that is not installed."""
    return [Outlet(name, sink, most=config.queue) for name, sink in _sinks(config)]


def _sinks(config: HistorySinks) -> Iterator[tuple[str, Sink]]:
    if config.influxdb.url:
        yield "influxDB", _influxdb(config.influxdb)
    if config.mqtt.server:
        yield "mqtt", _mqtt(config.mqtt)
    if config.prometheus.url:
        yield "prometheus", _prometheus(config.prometheus)
    if config.webhook.url:
        yield "webhook", _webhook(config.webhook)


def _influxdb(config: InfluxSink) -> Sink:
    from cloudcore.history.httpsink import HttpSink

    headers = {"Content-Type": "text/plain; charset=utf-8"} | ({"Authorization": f"Token {config.token}"} if config.token else {})
    return HttpSink(config.url, lambda batches: (lineprotocol.lines(batches, config.measurement).encode(), 0), headers)


def _prometheus(config: PrometheusSink) -> Sink:
    from cloudcore.history.httpsink import HttpSink

    try:
        from cloudcore.history import remotewrite
    except ImportError as exc:
        raise _missing("prometheus.url", "python-snappy and protobuf; python3-snappy and python3-protobuf of Debian", exc) from exc
    shown = _basic(config.username, config.password) if config.username else _bearer(config.token)
    return HttpSink(config.url, remotewrite.body, remotewrite.HEADERS | shown)


def _webhook(config: Webhook) -> Sink:
    from cloudcore.history.httpsink import HttpSink

    return HttpSink(config.url, text.webhook_body, {"Content-Type": "application/json"} | _bearer(config.token))


def _mqtt(config: MqttSinkConfig) -> Sink:
    try:
        from cloudcore.history.mqttsink import MqttAddress, MqttSink
    except ImportError as exc:
        raise _missing("mqtt.server", "aiomqtt; python3-asyncio-mqtt of Debian", exc) from exc
    url = urlsplit(config.server)
    tls = url.scheme.lower() in ("ssl", "tls", "mqtts")
    port = url.port or (_TLS_PORT if tls else _PORT)
    return MqttSink(MqttAddress(url.hostname or "", port, tls, config.username, config.password), config.topic)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"}


def _missing(key: str, what: str, exc: ImportError) -> ConfigError:
    return ConfigError(f"modules.history.sinks.{key}: needs the Python packages of the extra 'sinks' ({what}): {exc}")
