# Runs as a service of the booted tree, without a network: loopback only.
. /packages/claims.sh

active() { [ "$(systemctl is-active "$1")" = active ]; }
inactive() { [ "$(systemctl is-active "$1")" = inactive ]; }
main_pid() { systemctl show -p MainPID --value "$1"; }
property() { systemctl show -p "$2" --value "$1"; }
joined_node() { kubectl_get nodes/board1 | grep -q '"name": *"board1"'; }
kubeconfig=/etc/bramble/edgesite/kubeconfig
# No kubectl in the tree: the kubeconfig's server, CA and key, asked by Python.
kubectl_get() {
  python3 - "$kubeconfig" "$1" <<'END'
import base64, ssl, sys, tempfile, urllib.request, yaml
config = yaml.safe_load(open(sys.argv[1]))
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
request = urllib.request.Request(f"{cluster['server']}/api/v1/{sys.argv[2]}")
if "token" in user:
    request.add_header("Authorization", f"Bearer {user['token']}")
else:
    pair = tempfile.NamedTemporaryFile()
    pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])); pair.flush()
    context.load_cert_chain(pair.name)
print(urllib.request.urlopen(request, context=context, timeout=10).read().decode())
END
}

# What follows would only say the same again.
go_on() {
  [ $failures = 0 ] && return
  systemctl --no-pager --full status edgecore edgesite bramble-mapper@modbus
  journalctl --no-pager -u edgecore -u edgesite -u bramble-mapper@modbus | tail -n 60
  end_of_claims
}

ours=(/packages/bramble-*.deb)
claim "services of another tree are not taken for ours" test -e /sys/fs/cgroup/cgroup.type
claim "the packages install without any network" apt-get install -y -qq --no-install-recommends "${ours[@]}"
for unit in $programs; do claim "$unit is not started by its installation" inactive $unit; done
claim "edgecore is enabled for the time when it has joined" systemctl is-enabled edgecore

a_board_joins_a_site() {
  claim "a site starts" systemctl enable --now edgesite
  claim "a site is ready when systemctl returns" active edgesite
  claim "a site is no root" test "$(stat -c %U "/proc/$(main_pid edgesite)")" = bramble-edgesite
  go_on
  local token
  token=$(cloudcore token create --one-time --kubeconfig $kubeconfig)
  claim "a board joins" edgecore join --cloud 127.0.0.1 --token "$token"
  claim "the key is 0600" test "$(stat -c %a /etc/kubeedge/certs/edge.key)" = 600
}
a_site_that_hangs_is_started_again() {
  local pid
  pid=$(main_pid edgesite)
  kill -STOP "$pid"
  other() { local now; now=$(main_pid edgesite); [ "$now" != 0 ] && [ "$now" != "$pid" ] && active edgesite; }
  eventually "a site that hangs is ended by the watchdog and started again" 150 other
}

# The broker is EdgeCore's own.
a_site_hands_samples_on() {
  local settings=/etc/kubeedge/config/edgesite.yaml
  claim "samples come to all four sinks" env PYTHONPATH=/usr/lib/bramble python3 /packages/sinks.py
  sed -i -E '/^    sinks:/,/^    [a-z]/ { /(influxDB|prometheus|webhook):/,/url:/ s|url: ""|url: "http://127.0.0.1:9/"|; s|server: ""|server: "tcp://127.0.0.1:1883"| }' $settings
  claim "the four sinks are set" test "$(grep -cE 'http://127.0.0.1:9/|tcp://127.0.0.1:1883' $settings)" = 4
  claim "a site with all four sinks starts" systemctl restart edgesite
  claim "and is ready" active edgesite
}

if [ $cloud = yes ]; then a_board_joins_a_site
else cp /usr/share/doc/bramble-edgecore/examples/edgecore.yaml /etc/kubeedge/config/ 2>/dev/null || install -D -m 0644 -t /etc/kubeedge/config /usr/share/doc/bramble-edgecore/examples/edgecore.yaml; fi
claim "edgecore starts" systemctl start edgecore
claim "edgecore is ready when systemctl returns" active edgecore
[ $cloud = no ] || eventually "the node is there" 60 joined_node
says_what_is_missing() { journalctl --no-pager -u edgecore | grep -q 'install the package podman'; }
eventually "without Podman edgecore says what to install" 20 says_what_is_missing
claim "the database is 0600" test "$(stat -c %a /var/lib/bramble/edgecore.db)" = 600
claim "the doctor finds config, files and database well" edgecore doctor config secret-files database edgecore local-socket
# Much is amiss in such a tree; what counts is that each check comes to an end.
examined() { local said; said=$(edgecore doctor -o json 2>&1); [ $? -lt 2 ] && python3 -c 'import json, sys; sys.exit(len(json.loads(sys.argv[1])["checks"]) < 30)' "$said"; }
claim "the doctor goes through all its checks" examined
bundled() { edgecore diag -o /tmp/diag.tar.gz && [ "$(tar -tzf /tmp/diag.tar.gz | wc -l)" -gt 10 ]; }
claim "diag packs a bundle" bundled
for question in status "get pods" "get devices" rules; do claim "edgecore $question is answered" edgecore $question; done
no_such_device() { local said; said=$(edgecore history nothing temperature 2>&1); [ $? = 1 ] && grep -q nothing <<<"$said"; }
claim "edgecore history knows of no such device" no_such_device
sed 's/nodeName: .*/nodeName: board1/' /packages/rule.yaml >/packages/mine.yaml
claim "a rule is checked" edgecore rules check /packages/mine.yaml
cp /packages/mine.yaml /etc/bramble/rules/
rule_taken() { edgecore rules | grep -q cool; }
eventually "a rule in the folder is taken" 30 rule_taken
rm /etc/bramble/rules/mine.yaml
claim "a mapper starts" systemctl start bramble-mapper@modbus
claim "a mapper is ready when systemctl returns" active bramble-mapper@modbus
for protocol in serial i2c; do claim "the $protocol mapper starts, confined" systemctl start bramble-mapper@$protocol; done
systemctl start bramble-mapper@gpio 2>/dev/null
no_pins() { journalctl --no-pager -u bramble-mapper@gpio | grep -q 'python3-rpi-lgpio'; }
eventually "without RPi.GPIO the gpio mapper says what to install" 20 no_pins
claim "and is not started again" test "$(property bramble-mapper@gpio NRestarts)" = 0
systemctl start bramble-mapper@bluetooth 2>/dev/null
no_radio() { journalctl --no-pager -u bramble-mapper@bluetooth | grep -q "pip install 'bleak"; }
eventually "without bleak the bluetooth mapper says what to install" 20 no_radio
claim "and is not started again either" test "$(property bramble-mapper@bluetooth NRestarts)" = 0
go_on

# A child that outlives its parent, as what watches over a container does.
sleep 1000 & child=$!
group=/sys/fs/cgroup$(property edgecore ControlGroup)
claim "a process joins edgecore's group" sh -c "echo $child >$group/cgroup.procs"
pid=$(main_pid edgecore)
claim "edgecore restarts" systemctl restart edgecore
claim "it is another process" test "$pid" != "$(main_pid edgecore)"
claim "what runs in edgecore's group lives through a restart" kill -0 $child

if [ $cloud = yes ]; then
  a_site_hands_samples_on
  a_site_that_hangs_is_started_again
fi

cp -a /etc/kubeedge/config/edgecore.yaml /packages/edgecore.yaml
sed -i 's/heartbeat: .*/heartbeat: fast/' /etc/kubeedge/config/edgecore.yaml
grep -q 'heartbeat: fast' /etc/kubeedge/config/edgecore.yaml || printf 'metrics:\n  port: none\n' >>/etc/kubeedge/config/edgecore.yaml
systemctl restart edgecore 2>/dev/null
failed() { [ "$(property edgecore ExecMainStatus)" = 2 ] && [ "$(systemctl is-active edgecore)" = failed ]; }
eventually "a wrong setting ends edgecore for good" 20 failed
cp -a /packages/edgecore.yaml /etc/kubeedge/config/edgecore.yaml
claim "a mended setting starts it again" systemctl restart edgecore
go_on

apt_get() { apt-get "$1" -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${@:2}"; }
echo "# mine" >>/etc/bramble/mappers/modbus.yaml
pid=$(main_pid edgecore)
claim "an upgrade works" apt_get install /packages/next/bramble-*.deb
claim "an upgrade restarts edgecore" test "$pid" != "$(main_pid edgecore)"
claim "an upgrade ends nothing that runs in edgecore's group" kill -0 $child
claim "an upgrade keeps an edit" grep -q '^# mine$' /etc/bramble/mappers/modbus.yaml
[ $cloud = no ] || claim "an upgrade does not start what was off" inactive cloudcore
running="edgecore bramble-mapper@modbus bramble-mapper@serial bramble-mapper@i2c"
if [ $cloud = yes ]; then running="$running edgesite"; fi
eventually "all run after the upgrade" 30 systemctl is-active $running
claim "a downgrade works" apt_get install --allow-downgrades "${ours[@]}"
eventually "all run after the downgrade" 30 systemctl is-active $running
go_on

for unit in $running; do printf '  %s: ' "$unit"; systemd-analyze security "$unit.service" --no-pager 2>/dev/null | tail -n 1; done

claim "everything is purged" apt_get purge 'bramble-*'
claim "nothing of it runs" sh -c '! grep -lazE "^/usr/bin/(edgecore|edgesite|cloudcore|bramble-mapper)$" /proc/[0-9]*/cmdline'
left() { everything | comm -13 /packages/before - | grep -E 'bramble|kubeedge|edgecore|edgesite|cloudcore'; }
nothing_left() { ! left; }
claim "the purge leaves nothing" nothing_left
go_on
end_of_claims
