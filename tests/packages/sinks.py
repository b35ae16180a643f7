"""In the tree, on Debian's libraries: whether an installed CloudCore hands samples to all four sinks. Needs a broker at port 1883."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import aiomqtt
import snappy

from cloudcore.config import HistorySinks, InfluxSink, MqttSinkConfig, PrometheusSink, Webhook
from cloudcore.history import remotewrite
from cloudcore.history.sample import Batch
from cloudcore.history.sinks import outlets
from viaduct.samples import Series

posted: dict[str, bytes] = {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        posted[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()


async def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    config = HistorySinks(
        influxdb=InfluxSink(url=f"{url}/influx"),
        mqtt=MqttSinkConfig(server="tcp://127.0.0.1:1883"),
        prometheus=PrometheusSink(url=f"{url}/prometheus"),
        webhook=Webhook(url=f"{url}/webhook"),
    )
    batch = Batch("edge1", [Series("thermo", "t", "float", (1767225600000,), ("21.5",))], 1)
    made = outlets(config)
    async with aiomqtt.Client("127.0.0.1", 1883) as ear, asyncio.timeout(30):
        await ear.subscribe("bramble/history/#")
        for outlet in made:
            outlet.start()
            outlet.offer(batch)
        published = json.loads(bytes((await anext(ear.messages)).payload))
        while len(posted) < 3 or any(outlet.waiting for outlet in made):
            await asyncio.sleep(0.05)
    for outlet in made:
        await outlet.stop()
    assert published["samples"] == [[1767225600000, "21.5"]], published
    assert posted["/influx"].startswith(b"bramble,device=thermo,node=edge1,property=t value=21.5 "), posted
    assert json.loads(posted["/webhook"])["samples"][0]["points"] == [[1767225600000, "21.5"]], posted
    written = remotewrite.WriteRequest.FromString(snappy.uncompress(posted["/prometheus"])).timeseries
    assert [(sample.timestamp, sample.value) for sample in written[0].samples] == [(1767225600000, 21.5)], written


asyncio.run(main())
