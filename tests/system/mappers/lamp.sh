#!/bin/sh
# A mapper as people write them for KubeEdge's MQTT contract (6.3, 11.3), here in a shell: its lamp is the file $3.
# Usage: lamp.sh PORT DEVICE FILE. It knows nothing of Bramble; QoS 0, empty event ids, type "Updated" on a twin that is there.
set -u
port=$1 device=$2 lamp=$3
base="\$hw/events/device/$device"

say() { mosquitto_pub -p "$port" -t "$base/$1" -m "$2"; }

say state/update '{"event_id":"","timestamp":0,"state":"online"}'
while true; do
    # The answer may be there before the next line of a shell is: so listen first, then ask.
    mosquitto_sub -p "$port" -t "$base/twin/get/result" -C 1 -W 3 >"$lamp.heard" &
    listening=$!
    sleep 0.3
    say twin/get '{"event_id":"","timestamp":0,"twin":{"power-status":{"actual":{"value":""},"metadata":{"type":"Updated"}}}}'
    wait "$listening"
    wanted=$(sed -n 's/.*"power-status":{"expected":{"value":"\([A-Z]*\)".*/\1/p' "$lamp.heard")
    if [ -n "$wanted" ] && [ "$wanted" != "$(cat "$lamp" 2>/dev/null)" ]; then
        echo "$wanted" >"$lamp"
        say twin/update "{\"event_id\":\"\",\"timestamp\":0,\"twin\":{\"power-status\":{\"actual\":{\"value\":\"$wanted\"},\"metadata\":{\"type\":\"Updated\"}}}}"
    fi
done
