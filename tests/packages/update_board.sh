# What tests/packages/update.sh runs in its tree: functions, one for each boot. Sourced.
. /packages/claims.sh

kubeconfig=/etc/bramble/edgesite/kubeconfig
active() { [ "$(systemctl is-active "$1")" = active ]; }
# Of what is there at all, installed or half of it.
there() { dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' 'bramble-*' | grep -v '^un'; }
version() { there | cut -d ' ' -f 2- | tr -d ' ' | sort -u; }
version_of() { dpkg-deb -f "$(ls /packages/"$1"/bramble-edgecore_*.deb)" Version; }
is_version() { [ "$(version)" = "$(version_of "$1")" ]; }
at_rest() { [ ! -e /var/lib/bramble/updates/order.json ]; }
one_good_version() { [ "$(version | wc -l)" = 1 ] && ! version | grep -q '+z'; }
main_pid() { systemctl show -p MainPID --value "$1"; }
dpkg_is_content() {
  local complaints
  complaints=$(dpkg --audit $(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'bramble-*' | sed -n 's/^i.. *//p'); there | grep -v '^ii')
  [ -z "$complaints" ] || { echo "$complaints"; return 1; }
}
# A slow machine is no fault of the version.
update() { edgecore update --timeout 900 "$@"; }
last_state() { edgecore update status -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][-1]["state"])'; }
last_is() { [ "$(last_state)" = "$1" ]; }
# No kubectl in the tree: the kubeconfig's server, CA and key, asked by Python: api METHOD PATH [BODY].
api() {
  python3 - "$kubeconfig" "$@" <<'END'
import base64, ssl, sys, tempfile, urllib.request, yaml
config = yaml.safe_load(open(sys.argv[1]))
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
body = sys.argv[4].encode() if len(sys.argv) > 4 else None
request = urllib.request.Request(f"{cluster['server']}{sys.argv[3]}", body, {"Content-Type": "application/json"}, method=sys.argv[2])
if "token" in user:
    request.add_header("Authorization", f"Bearer {user['token']}")
else:
    pair = tempfile.NamedTemporaryFile()
    pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])); pair.flush()
    context.load_cert_chain(pair.name)
print(urllib.request.urlopen(request, context=context, timeout=10).read().decode())
END
}
jobs=/apis/operations.kubeedge.io/v1alpha1/nodeupgradejobs
node_is_there() { api GET /api/v1/nodes/board1 | grep -q '"name": *"board1"'; }
new_job() {
  api POST $jobs "{\"apiVersion\": \"operations.kubeedge.io/v1alpha1\", \"kind\": \"NodeUpgradeJob\", \"metadata\": {\"name\": \"$1\"},
    \"spec\": {\"version\": \"$2\", \"nodeNames\": [\"board1\"], \"timeoutSeconds\": 900, \"checkItems\": [\"mem\"]}}"
}
# job_is NAME JOB'S-STATE NODE'S-STATE
job_is() {
  api GET "$jobs/$1" | python3 -c 'import json, sys
status = json.load(sys.stdin).get("status", {})
found = [status.get("state"), *[(entry["state"], entry.get("reason")) for entry in status.get("nodeStatus", [])]]
print(found)
sys.exit(not (found[0] == sys.argv[1] and len(found) > 1 and found[1][0] == sys.argv[2]))' "$2" "$3"
}
go_on() {
  [ $failures = 0 ] && return
  journalctl --no-pager -u bramble-update.service -u bramble-update.path | tail -n 60
  journalctl --no-pager -u edgecore | tail -n 20
  edgecore update status
  end_of_claims
}
# As what watches over a container does, it outlives EdgeCore.
a_child() {
  sleep 100000 & child=$!
  echo $child >"/sys/fs/cgroup$(systemctl show -p ControlGroup --value edgecore)/cgroup.procs"
}

# In the tree, with the network, without systemd.
install_first() {
  local needs
  needs=$(for deb in /packages/now/*.deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | sed -E 's/\(.*//; s/\|.*//; s/:any//; s/ //g' | grep -v '^bramble' | sort -u)
  apt-get update -qq && apt-get install -y -qq --no-install-recommends $needs mosquitto dbus >/packages/apt.log 2>&1 || { tail -n 20 /packages/apt.log; return 1; }
  apt-get install -y -qq --no-install-recommends /packages/now/*.deb >/packages/apt.log 2>&1 || { tail -n 20 /packages/apt.log; return 1; }
  rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
  echo 'deb [trusted=yes] file:/packages/archive ./' >/etc/apt/sources.list
  apt-get update -qq
  # A suite without a site: a board with a config and without a cloud.
  if [ ! -e /etc/kubeedge/config/edgesite.yaml ]; then
    mkdir -p /etc/kubeedge/config && edgecore --defaultconfig >/etc/kubeedge/config/edgecore.yaml
  fi
}

from_the_cloud() {
  claim "a site starts" systemctl enable --now edgesite
  claim "a board joins" edgecore join --cloud 127.0.0.1 --token "$(cloudcore token create --one-time --kubeconfig $kubeconfig)"
  claim "edgecore starts" systemctl start edgecore
  eventually "the node is there" 600 node_is_there
  go_on
  a_child
  local pid
  pid=$(main_pid edgecore)
  claim "a job is taken" new_job up "$(version_of next)"
  eventually "the board comes to the next version, and the job to its end" 1800 job_is up Successful Successful
  claim "the next version is installed, all of it" is_version next
  claim "dpkg is content" dpkg_is_content
  claim "edgecore runs, as another process" sh -c "[ $pid != $(main_pid edgecore) ]"
  claim "what runs in edgecore's group lives through the update" kill -0 $child
  claim "the version before is kept" sh -c "edgecore update status | grep -qx 'kept, previous: $(version_of now)'"
  go_on
  claim "a job with a version that does not run is taken" new_job bad "$(version_of broken)"
  eventually "the board goes back by itself, and the job fails" 2400 job_is bad Failed RolledBack
  claim "the version that ran is installed again, all of it" is_version next
  eventually "edgecore runs" 300 active edgecore
  claim "dpkg is content after going back" dpkg_is_content
  claim "what runs in edgecore's group lives through both" kill -0 $child
  told() { job_is bad Failed RolledBack | grep -q 'EdgeCore ended'; }
  claim "the reason is told" told
  go_on
  claim "a job with an unknown version is taken" new_job none 9.9
  eventually "it fails, and nothing has changed" 600 job_is none Failed Failed
  claim "the version is the same" is_version next
  shell() { ! new_job 'shell' '1;touch /packages/pwned'; }
  claim "a version that is a command is refused" shell
  claim "and was never run" test ! -e /packages/pwned
  go_on
  end_of_claims
}

by_hand() {
  claim "services of another tree are not taken for ours" test -e /sys/fs/cgroup/cgroup.type
  systemctl start edgecore
  eventually "edgecore runs" 300 active edgecore
  claim "by hand to a folder's version" update --deb /packages/now
  claim "it is installed" is_version now
  claim "by hand to apt's newest but one" update --to "$(version_of next)"
  claim "that is installed" is_version next
  claim "by hand to the version before" update --rollback
  claim "that is installed again" is_version now
  back() { ! update --deb /packages/broken; }
  claim "by hand to a version that does not run ends with 1" back
  claim "and it is not installed" is_version now
  claim "which is told" last_is RolledBack
  stuck() { ! edgecore update --timeout 300 --deb /packages/hangs; }
  claim "by hand to a version that hangs as it starts ends with 1" stuck
  claim "and neither is that installed" is_version now
  claim "which is told too" last_is RolledBack
  eventually "edgecore runs again" 300 active edgecore
  go_on
  # The updater alone is killed, at any moment, three times.
  local number state
  for number in 1 2 3; do
    update --deb /packages/$([ "$(version)" = "$(version_of now)" ] && echo next || echo now) --no-wait >/dev/null
    sleep "$((RANDOM % 12)).$((RANDOM % 10))"
    systemctl kill --signal=KILL bramble-update.service 2>/dev/null
    eventually "killed $number: the order comes to its end" 1800 at_rest
    claim "killed $number: it ended well ($(last_state))" last_is Successful
    claim "killed $number: dpkg is content" dpkg_is_content
    claim "killed $number: edgecore runs" active edgecore
    go_on
  done
  end_of_claims
}

# For the cuts the board needs no site, whose start takes most of the time.
before_cuts() {
  systemctl start edgecore
  eventually "edgecore runs" 300 active edgecore
  dpkg --purge bramble-edgesite bramble-cloudcore >/dev/null 2>&1
  rm -f /packages/*/bramble-edgesite_* /packages/*/bramble-cloudcore_*
  rm -rf /var/lib/bramble/updates/present /var/lib/bramble/updates/previous
  claim "what runs now is kept for the way back" edgecore update keep "/packages/$([ "$(version)" = "$(version_of now)" ] && echo now || echo next)"
  claim "an update that nothing cuts" update --deb "/packages/$([ "$(version)" = "$(version_of now)" ] && echo next || echo now)"
  go_on
  end_of_claims
}

# A working version, whatever was cut.
working() {
  eventually "the order of before comes to its end" 1800 at_rest
  claim "dpkg is content" dpkg_is_content
  claim "one version is installed, not the broken one ($(version | tr '\n' ' '))" one_good_version
  eventually "edgecore runs" 300 active edgecore
  claim "edgecore answers" edgecore status
  local said
  said=$(last_state)
  claim "and the board says how it ended ($said)" sh -c "case $said in Successful|RolledBack|Failed) ;; *) exit 1;; esac"
  go_on
}

settle_and_begin() {
  working
  local target=$2
  if is_version "$target"; then target=$([ "$target" = now ] && echo next || echo now); fi
  sync
  update --deb "/packages/$target" --no-wait && touch /packages/placed
  sleep 1000
}

settled() {
  working
  end_of_claims
}
