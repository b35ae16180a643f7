// A mapper as people write them for KubeEdge's MQTT contract (6.3, 11.1), here in JavaScript and down to the bytes of MQTT 3.1.1.
// Usage: node lamp.js PORT DEVICE. It listens to deltas, "writes" and reports what it wrote, with the key that KubeEdge's Modbus mapper misspells.
const net = require("net");
const [port, device] = process.argv.slice(2);
const base = `$hw/events/device/${device}`;
const state = { level: "0" };

const text = (value) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};
const packet = (head, ...parts) => {
  const body = Buffer.concat(parts);
  const size = [];
  let left = body.length;
  do {
    size.push((left & 127) | (left > 127 ? 128 : 0));
    left >>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.from([head, ...size]), body]);
};
const socket = net.connect(Number(port), "127.0.0.1");
const publish = (topic, body) => socket.write(packet(0x30, text(`${base}/${topic}`), Buffer.from(JSON.stringify(body))));
const report = () => {
  const twin = { level: { actual: { value: state.level, metadata: { timestamp: Date.now() } }, metadata: { tyep: "int" } } };
  publish("twin/update", { event_id: "", timestamp: Date.now(), twin });
};

function heard(topic, body) {
  const wished = topic.endsWith("/delta") ? body.delta && body.delta.level : body.twin && body.twin.level && body.twin.level.expected && body.twin.level.expected.value;
  if (wished !== undefined && wished !== state.level) {
    state.level = wished;
    report();
  }
}

let pending = Buffer.alloc(0);
socket.on("connect", () => socket.write(packet(0x10, text("MQTT"), Buffer.from([4, 2, 0, 60]), text(`lamp-${process.pid}`))));
socket.on("data", (data) => {
  pending = Buffer.concat([pending, data]);
  for (;;) {
    let size = 0, at = 1, shift = 0;
    while (at < pending.length && pending[at] & 128) { size |= (pending[at++] & 127) << shift; shift += 7; }
    if (at >= pending.length) return;
    size |= pending[at++] << shift;
    if (pending.length < at + size) return;
    const kind = pending[0] >> 4, body = pending.subarray(at, at + size);
    pending = pending.subarray(at + size);
    if (kind === 2) socket.write(packet(0x82, Buffer.from([0, 1]), text(`${base}/twin/update/delta`), Buffer.from([0]), text(`${base}/twin/get/result`), Buffer.from([0])));
    if (kind === 9) {
      publish("state/update", { event_id: "", timestamp: Date.now(), state: "online" });
      publish("twin/get", { event_id: "", timestamp: Date.now() });
      report();
    }
    if (kind === 3) {
      const length = body.readUInt16BE(0);
      heard(body.subarray(2, 2 + length).toString(), JSON.parse(body.subarray(2 + length).toString()));
    }
  }
});
socket.on("error", () => process.exit(1));
