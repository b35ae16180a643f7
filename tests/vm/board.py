"""``make test-vm``: the packages on a machine with Debian's kernel and systemd, from their installation to their purge, through reboots and
power cuts. The site and the board are one guest.

``KEEP=1`` keeps the guest as it was after each step; ``FROM=limit`` then goes on at that step (a method of ``Road``), ``TO=cut`` ends after
that one, and ``NEW=1`` first brings the guest the packages of this checkout as it is now.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from demo.stage import Failed, run
from edgecore.containers import labels
from tests.vm import guests
from tests.vm.image import TOP, image
from tests.vm.machine import Machine
from tests.vm.steps import Step, play

T = TypeVar("T")

FOLDER = TOP / "dist" / "vm" / "board"
CUTS = int(os.environ.get("CUTS", "3"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
FROM = os.environ.get("FROM", "")
TO = os.environ.get("TO", "")
KEEP = bool(os.environ.get("KEEP") or FROM)
NEW = bool(os.environ.get("NEW"))
NODE = "board1"
IMAGE = "localhost/box:1"

_INSTANCE = labels.instance_of("/var/lib/bramble/edged")
_ENGINE = "if [ -e /var/lib/bramble/edged/containers.conf ]; then export CONTAINERS_CONF=/var/lib/bramble/edged/containers.conf; fi; podman"
_API = 6443
_KUBECTL = "kubectl --kubeconfig /etc/bramble/edgesite/kubeconfig --request-timeout=30s"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold"

# An image of a megabyte, as an archive that is laid whole into the folder that EdgeCore loads archives from.
_MAKE_IMAGE = f"""
set -e
mkdir -p /root/box /var/lib/bramble/edged/images
cp /bin/busybox /root/box/
printf 'FROM scratch\\nCOPY busybox /bin/busybox\\nCOPY busybox /bin/sh\\n' >/root/box/Containerfile
podman build -q -t {IMAGE} /root/box
podman save -q -o /root/box/box.tar {IMAGE}
podman rmi -f {IMAGE}
mv /root/box/box.tar /var/lib/bramble/edged/images/
"""

# Of layers of its own; it waits until it is moved to where EdgeCore looks.
_MAKE_FRESH_IMAGE = """
set -e
cp /bin/busybox /root/box/
head -c 1000 /dev/urandom >>/root/box/busybox
podman build -q --no-cache -t {image} /root/box
podman save -q -o /var/lib/bramble/fresh.tar {image}
podman rmi -f {image}
sync
"""

# Every start of a container leaves a line: the boot that it was in.
_WITNESS = "/bin/busybox cat /proc/sys/kernel/random/boot_id >>/starts/$POD_UID; "
_WAITS = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 0.5; done"

_CHURN = f"""
number=0
while :; do
  number=$((number + 1))
  sed "s/NUMBER/$(date +%s)-$number/" /root/churn.json | {_KUBECTL} apply -f -
  [ $((number % 3)) != 0 ] || {_KUBECTL} delete pod --wait=false \
    $({_KUBECTL} get pods -l group=churn -o name --sort-by=.metadata.creationTimestamp | head -n 2 | cut -d / -f 2)
done
"""

# Of a container's group, or of the one above it: which of them has the limits is the runtime's choice.
_LIMITS = """cd /sys/fs/cgroup{group}; [ "$(cat memory.max)" != max ] || cd ..; cat memory.max cpu.max"""

_CHECK_DATABASE = """
rm -f /tmp/copy.db*
cp {database} /tmp/copy.db
[ ! -e {database}-wal ] || cp {database}-wal /tmp/copy.db-wal
sqlite3 /tmp/copy.db 'PRAGMA integrity_check'
"""

_NAMES = " -o ".join(f"-iname '*{name}*'" for name in ("bramble", "kubeedge", "edgecore", "edgesite", "cloudcore"))
_OTHERS = " ".join(f"-not -path '{path}/*'" for path in ("/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/run/systemd", "/run/log"))
_LEFT = rf"find /etc /usr /var/lib /run -xdev \( {_NAMES} \) {_OTHERS} 2>/dev/null"

_FOR_A_PERSON = """
systemctl --no-pager --failed
systemctl --no-pager -n 0 status edgecore edgesite
journalctl --no-pager -t python3 -t edgesite -t systemd | tail -n 60
podman ps -a
"""


class Road:
    """The steps in order."""

    def __init__(self) -> None:
        self.packages = FOLDER.with_name("packages")
        self.chance = random.Random(SEED)
        self._machine: Machine | None = None

    @property
    def machine(self) -> Machine:
        assert self._machine is not None
        return self._machine

    def build(self) -> str:
        """``now`` and ``next`` differ in their version alone."""
        version = next(line for line in (TOP / "viaduct" / "__init__.py").read_text().splitlines() if line.startswith("__version__")).split(
            '"'
        )[1]
        shutil.rmtree(self.packages, ignore_errors=True)
        for name, made in (("next", f"{version}+next"), ("now", version)):
            run(TOP / "packaging" / "deb.sh", made, timeout=900)
            (self.packages / name).mkdir(parents=True)
            for package in (TOP / "dist").glob("bramble-*.deb"):
                shutil.copy(package, self.packages / name)
        return f"{version} and {version}+next"

    def boot(self) -> str:
        made = image(guests.board())
        shutil.rmtree(FOLDER, ignore_errors=True)
        self._machine = Machine(made, FOLDER, into=_API, keep=KEEP)
        self.machine.start()
        version, groups = self.machine.run("uname -r; stat -f -c %T /sys/fs/cgroup").split()
        _same("cgroups", groups, "cgroup2fs")
        accelerator = (made.folder / "accelerator").read_text()
        return f"Debian 13, Linux {version}, cgroup v2, {accelerator}, up in {self.machine.boot_seconds:.0f} s"

    def go_on(self, step: str) -> str:
        """Where an earlier run was after ``step``."""
        self._machine = Machine(image(guests.board()), FOLDER, into=_API, keep=True)
        self.machine.restore(step)
        if NEW:
            self.machine.put(self.packages, "/packages")
            self.machine.run(f"{_APT} install --reinstall --allow-downgrades /packages/now/*.deb", timeout=900)
        return "with the packages of this checkout" if NEW else "with the packages of then"

    def save(self, step: str) -> None:
        if KEEP and self._machine is not None:
            self.machine.save(step)

    def install(self) -> str:
        self.machine.put(self.packages, "/packages")
        self.machine.run(f"{_APT} install /packages/now/*.deb", timeout=900)
        running, _ = self.machine.attempt("systemctl is-active edgecore cloudcore edgesite")
        if running == 0:
            raise Failed("something was started by its installation")
        return f"{len(list((self.packages / 'now').glob('*.deb')))} packages; nothing was started"

    def join(self) -> str:
        self.machine.run("systemctl enable --now edgesite")
        self.machine.run(
            "cloudcore token create --one-time --kubeconfig /etc/bramble/edgesite/kubeconfig | edgecore join --cloud 127.0.0.1 --token -"
        )
        self.machine.run("systemctl start edgecore")
        self._wait("the node Ready", self._node_ready, 120)
        info = self._node()["status"]["nodeInfo"]
        return f"{NODE} is Ready: {info['osImage']}, {info['containerRuntimeVersion']}"

    def run_pods(self) -> str:
        self.machine.run(_MAKE_IMAGE)
        self.machine.run("mkdir -p /var/lib/starts")
        self._apply(_pod("steady-alone"), _pod("steady-two", containers=2), _web("steady-web"))
        self._wait("the pods Ready", lambda: self._all_ready("steady", 3), 240)
        self._wait("the web server's answer", self._page, 30)
        return "three pods of an image that was loaded from an archive; one serves a page on a port of the board"

    def limit(self) -> str:
        limited = _pod("limited")
        limited["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi", "cpu": "500m"}}
        hog = _pod("hog", command="x=a; while :; do x=$x$x; done", restartPolicy="Never")
        hog["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}
        greedy = _pod("greedy", command="/bin/busybox sleep 1; x=a; while :; do x=$x$x; done")
        greedy["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}
        self._apply(limited, hog, greedy)
        ended = self._wait("OOMKilled", lambda: _terminated(self._pod_of("hog"), "state"), 180)
        _same("the pod's phase", self._pod_of("hog")["status"]["phase"], "Failed")
        _same("the reason", (ended["reason"], ended["exitCode"]), ("OOMKilled", 137))
        again = self._wait("OOMKilled and started again", lambda: _terminated(self._pod_of("greedy"), "lastState"), 180)
        _same("the reason", again["reason"], "OOMKilled")
        self._wait("the limited pod", lambda: self._all_ready("limited", 1), 120)
        (held,) = (c for c in self._containers() if c["Labels"][labels.POD_NAME] == "limited")
        group = self.machine.run(f"cat /proc/{held['Pid']}/cgroup").strip().rpartition(":")[2]
        limits = self.machine.run(_LIMITS.format(group=group)).split()
        _same("memory.max and cpu.max", limits, [str(32 << 20), "50000", "100000"])
        usage = self._wait("kubectl top", lambda: self._kubectl("top", "pod", "limited", "--no-headers").split(), 60)
        self._kubectl("delete", "pod", "limited", "hog", "greedy", "--wait=false")
        self._wait("the pods gone", lambda: not self._pods("group in (limited,hog,greedy)"), 120)
        self._alive_and_well()
        return f"OOMKilled with exit code 137, with and without a restart; limits in {group.split('/')[1]}; kubectl top says {usage[-1]}"

    def reboot(self) -> str:
        """The cloud stays away until the pods run."""
        before = self._uids()
        self.machine.run("systemctl disable edgesite")
        self.machine.reboot()
        started = time.monotonic()
        self._wait(
            "the pods running without the cloud", lambda: sorted(c["Labels"][labels.CONTAINER] for c in self._running()) == _STEADY, 240
        )
        took = time.monotonic() - started
        self._wait("the web server's answer", self._page, 60)
        _same("the site", self.machine.attempt("systemctl is-active edgesite")[1].strip(), "inactive")
        self.machine.run("systemctl enable --now edgesite")
        self._wait("the node Ready", self._node_ready, 120)
        self._wait("the pods told", lambda: set(_counts(self._pods("group=steady"))) == {1}, 120)
        _same("the pods", self._uids(), before)
        self._alive_and_well()
        return f"the pods ran {took:.0f} s after the boot, before there was a cloud; each restart counted once"

    def cut_images(self) -> str:
        """Power cuts when an image has just come: its files may still be in memory alone."""
        self._kubectl("delete", "pod", "steady-two", "--wait=false")
        self._wait("the pod gone", lambda: len(self._pods("group=steady")) == 2 and len(self._running()) == 2, 120)
        self.machine.run(f"{_ENGINE} rmi localhost/podman-pause:$({_ENGINE} images --format '{{{{.Tag}}}}' localhost/podman-pause)")
        self._apply(_pod("steady-two", containers=2))
        self._cut_when("Podman had built its pause image", lambda: self._all_ready("steady", 3))
        moments = (("the pod of an image ran", self._fresh_runs), ("an image was there", self._fresh_is_there))
        for number, (moment, has_come) in enumerate(moments, 1):
            name = f"localhost/fresh:{number}"
            self.machine.run(_MAKE_FRESH_IMAGE.format(image=name), timeout=900)
            self._apply(_pod(f"churn-fresh{number}", group="churn", image=name))
            self.machine.run(f"mv /var/lib/bramble/fresh.tar /var/lib/bramble/edged/images/fresh{number}.tar; sync")
            self._cut_when(moment, partial(has_come, number))
        self._kubectl("delete", "pod", "-l", "group=churn", "--wait=false")
        self._wait("the pods gone", lambda: not self._pods("group=churn") and self._settled(), 240)
        return f"{1 + len(moments)} power cuts when an image had just come: its pod runs afterwards"

    def _cut_when(self, moment: str, has_come: Callable[[], bool]) -> None:
        self._wait(moment, has_come, 180, every=0.1)
        self.machine.cut()
        self.machine.start()
        booted = time.monotonic()
        self._alive_and_well()
        self._wait("every pod as it should be", self._settled, 300, every=10.0)
        spoilt = self.machine.run("journalctl -b -t python3 --no-pager | grep -c 'was spoilt' || true").strip()
        print(f"      cut when {moment}: all right {time.monotonic() - booted:.0f} s after the boot, spoilt images: {spoilt}", flush=True)

    def cut(self) -> str:
        """Power cuts while pods come and go; whatever the API holds afterwards is what must run, once."""
        said = []
        self.machine.run("cat >/root/churn.json", stdin=json.dumps(_pod("churn-NUMBER", group="churn")))
        self.machine.run("cat >/root/churn.sh", stdin=_CHURN)
        for number in range(1, CUTS + 1):
            self.machine.run(f"systemd-run --quiet --unit churn{number} --property=StandardOutput=file:/root/churn.log sh /root/churn.sh")
            after = self.chance.uniform(4.0, 40.0)
            time.sleep(after)
            self.machine.cut()
            self.machine.start()
            booted = time.monotonic()
            self._alive_and_well()
            self._wait("every pod as it should be", self._settled, 300, every=10.0)
            alive = len(self._pods("group in (steady,churn)"))
            said.append(f"{after:.0f} s: {alive} pods right {time.monotonic() - booted:.0f} s after the boot")
            print(f"      cut {number} after {said[-1]}", flush=True)
        self._kubectl("delete", "pod", "-l", "group=churn", "--wait=false")
        self._wait("the churn gone", lambda: not self._pods("group=churn") and self._settled(), 240)
        return f"{CUTS} power cuts (SEED={SEED}): databases whole, every pod as it should be, nothing double or left over"

    def upgrade(self) -> str:
        return self._change_to("next", f"{_APT} install /packages/next/*.deb")

    def downgrade(self) -> str:
        return self._change_to("now", f"{_APT} install --allow-downgrades /packages/now/*.deb")

    def purge(self) -> str:
        self.machine.run(f"{_APT} purge 'bramble-*'", timeout=600)
        left = self.machine.attempt(_LEFT)[1].split()
        processes = self.machine.attempt("grep -slazE '^/usr/bin/(edgecore|edgesite|cloudcore|bramble-mapper)$' /proc/[0-9]*/cmdline")[
            1
        ].split()
        containers = self.machine.run(f"podman ps -aq --filter label={labels.INSTANCE}={_INSTANCE}; podman pod ps -q").split()
        mounts = self.machine.attempt(f"grep bramble-{_INSTANCE} /proc/mounts")[1].split()
        links = self.machine.attempt("ip -o link | grep -E 'veth|bramble'")[1].strip()
        routes = self.machine.attempt("ip route show table local proto 66")[1].strip()
        _same("what is left", (left, processes, containers, mounts, links, routes), ([], [], [], [], "", ""))
        return "no file, process, container, mount, link or route is left"

    def told(self) -> str:
        """For whoever looks for the cause of a failure."""
        if self._machine is None:
            return ""
        try:
            found = self.machine.attempt(_FOR_A_PERSON, timeout=120)[1]
            (FOLDER / "journal.log").write_text(self.machine.attempt("journalctl --no-pager -b", timeout=120)[1])
        except Exception as exc:
            found = str(exc)
        return found

    def down(self) -> None:
        if self._machine is not None:
            self.machine.down()

    def _change_to(self, version: str, command: str) -> str:
        """Other packages; no container may notice."""
        before = {c["Id"]: c["Pid"] for c in self._running()}
        restarts = _counts(self._pods("group=steady"))
        agent = self.machine.run("systemctl show -p MainPID --value edgecore").strip()
        self.machine.run(command, timeout=900)
        said = self.machine.run("dpkg-query -W -f '${Version}' bramble-edgecore").strip()
        if said.endswith("+next") != (version == "next"):
            raise Failed(f"after the change bramble-edgecore is {said}")
        self._wait("the services", lambda: self.machine.attempt("systemctl is-active edgecore edgesite")[0] == 0, 120)
        if self.machine.run("systemctl show -p MainPID --value edgecore").strip() == agent:
            raise Failed("EdgeCore was not restarted")
        self._wait("the node Ready", self._node_ready, 120)
        _same("the containers", {c["Id"]: c["Pid"] for c in self._running()}, before)
        name = f"churn-{version}"
        self._apply(_pod(name, group="churn"))
        self._wait("a pod of the other version", lambda: self._all_ready("churn", 1), 120)
        self._kubectl("delete", "pod", name, "--wait=false")
        self._wait("its end", lambda: not self._pods("group=churn"), 120)
        _same("the containers", {c["Id"]: c["Pid"] for c in self._running()}, before)
        _same("restarts", _counts(self._pods("group=steady")), restarts)
        self._alive_and_well()
        return f"{said}; {len(before)} containers went on, a pod came and went"

    def _alive_and_well(self) -> None:
        """What must hold after each step: services, databases, nothing failed."""
        self._wait("the services", lambda: self.machine.attempt("systemctl is-active edgecore edgesite")[0] == 0, 240)
        _same("failed units", self.machine.run("systemctl --failed --no-legend --plain").strip(), "")
        for path in self.machine.run("find /var/lib/bramble -name '*.db' -size +0").split():
            self._wait(f"{path} whole", partial(self._is_whole, path), 60)
        set_aside = self.machine.run("find /var/lib/bramble -name '*.db.*' -not -name '*-wal' -not -name '*-shm'").split()
        _same("databases that were set aside", set_aside, [])

    def _is_whole(self, database: str) -> bool:
        """Of a copy, since whoever uses it may keep it locked; a copy that was taken while it was written may be worth another try."""
        return self.machine.run(_CHECK_DATABASE.format(database=database)).strip() == "ok"

    def _settled(self) -> bool:
        faults = self._faults()
        if faults:
            raise Failed("; ".join(faults))
        return True

    def _faults(self) -> list[str]:
        pods = self._pods("group in (steady,churn)")
        found = self._containers()
        faults = [f"{p['metadata']['name']} is being deleted" for p in pods if "deletionTimestamp" in p["metadata"]]
        faults += [f"{p['metadata']['name']} is not ready" for p in pods if not _is_ready(p)]
        there = Counter((c["Labels"][labels.POD_UID], c["Labels"][labels.CONTAINER]) for c in found)
        runs = Counter((c["Labels"][labels.POD_UID], c["Labels"][labels.CONTAINER]) for c in found if c["State"] == "running")
        wanted = {(p["metadata"]["uid"], c["name"]) for p in pods for c in p["spec"]["containers"]}
        faults += [f"{place} is missing" for place in sorted(wanted - runs.keys())]
        faults += [f"{place} is wanted by nobody" for place in sorted(there.keys() - wanted)]
        faults += [f"{place} runs {count} times" for place, count in sorted(runs.items()) if count > 1]
        faults += [f"{place} is there {count} times" for place, count in sorted(there.items()) if count > 2]  # one for its log
        told = {s["containerID"].rpartition("/")[2] for p in pods for s in p["status"].get("containerStatuses", []) if s.get("containerID")}
        faults += [f"the API tells of container {name[:12]}, which does not run" for name in sorted(told - {c["Id"] for c in found})]
        uids = {p["metadata"]["uid"] for p in pods}
        sandboxes = (
            json.loads(self.machine.run(f"{_ENGINE} pod ps --format json --filter label={labels.INSTANCE}={_INSTANCE}") or "[]") or []
        )
        faults += [
            f"sandbox of {s['Labels'][labels.POD_UID]} is wanted by nobody" for s in sandboxes if s["Labels"][labels.POD_UID] not in uids
        ]
        folders = self.machine.run("ls /var/lib/bramble/edged/pods 2>/dev/null || true").split()
        faults += [f"files of {uid} are left over" for uid in sorted(set(folders) - uids)]
        starts = self.machine.run('now=$(cat /proc/sys/kernel/random/boot_id); cd /var/lib/starts; grep -c "$now" * || true').split()
        counts = {line.rpartition(":")[0]: int(line.rpartition(":")[2]) for line in starts}
        for pod in pods:
            number, wants = counts.get(pod["metadata"]["uid"], 0), len(pod["spec"]["containers"])
            faults += [f"{pod['metadata']['name']} was started {number} times in this boot"] * (number != wants)
        return faults

    def _containers(self) -> list[dict[str, Any]]:
        """Those of pods, without those that hold their networks."""
        found = self.machine.run(f"{_ENGINE} ps -a --no-trunc --format json --filter label={labels.INSTANCE}={_INSTANCE}")
        return [c for c in json.loads(found or "[]") or [] if labels.CONTAINER in (c["Labels"] or {})]

    def _running(self) -> list[dict[str, Any]]:
        return [c for c in self._containers() if c["State"] == "running"]

    def _kubectl(self, *words: str, stdin: str = "") -> str:
        """This machine's, through the tunnel: the guest's would take most of an emulated processor."""
        kubeconfig = FOLDER / "kubeconfig"
        if not kubeconfig.exists():
            kubeconfig.write_text(self.machine.run("cat /etc/bramble/edgesite/kubeconfig"))
        where = ("--kubeconfig", kubeconfig, "--cache-dir", FOLDER / "kube", "--server", f"https://127.0.0.1:{self.machine.tunnel}")
        return run("kubectl", *where, "--request-timeout=60s", *words, timeout=120, stdin=stdin)

    def _apply(self, *objects: dict[str, Any]) -> None:
        self._kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def _pods(self, selector: str) -> list[dict[str, Any]]:
        return list(json.loads(self._kubectl("get", "pods", "-l", selector, "-o", "json"))["items"])

    def _pod_of(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self._kubectl("get", "pod", name, "-o", "json")))

    def _node(self) -> dict[str, Any]:
        return dict(json.loads(self._kubectl("get", "node", NODE, "-o", "json")))

    def _node_ready(self) -> bool:
        return _is_ready(self._node())

    def _all_ready(self, group: str, number: int) -> bool:
        pods = self._pods(f"group={group}")
        return len(pods) == number and all(_is_ready(pod) for pod in pods)

    def _uids(self) -> dict[str, str]:
        return {p["metadata"]["name"]: p["metadata"]["uid"] for p in self._pods("group=steady")}

    def _page(self) -> bool:
        return "a page" in self.machine.run("busybox wget -q -T 5 -O - http://127.0.0.1:8088/")

    def _fresh_runs(self, number: int) -> bool:
        return _is_ready(self._pod_of(f"churn-fresh{number}"))

    def _fresh_is_there(self, number: int) -> bool:
        return self.machine.attempt(f"{_ENGINE} image exists localhost/fresh:{number}")[0] == 0

    def _wait(self, what: str, claim: Callable[[], T | None], within: float, every: float = 2.0) -> T:
        return self.machine.wait(what, claim, within=within, every=every)


_STEADY = ["main", "main", "main", "side1"]


def _pod(name: str, group: str = "", containers: int = 1, command: str = _WAITS, image: str = IMAGE, **spec: Any) -> dict[str, Any]:
    made = [
        {
            "name": "main" if number == 0 else f"side{number}",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", _WITNESS + command],
            "env": [{"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
            "volumeMounts": [{"name": "starts", "mountPath": "/starts"}],
        }
        for number in range(containers)
    ]
    volumes = [{"name": "starts", "hostPath": {"path": "/var/lib/starts", "type": "Directory"}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"group": group or name.split("-")[0]}},
        "spec": {"nodeName": NODE, "containers": made, "volumes": volumes, "terminationGracePeriodSeconds": 2, **spec},
    }


def _web(name: str) -> dict[str, Any]:
    pod = _pod(name, command="echo a page >/index.html; exec /bin/busybox httpd -f -p 80 -h /")
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8088}]
    return pod


def _is_ready(found: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", []))


def _terminated(pod: dict[str, Any], when: str) -> dict[str, Any] | None:
    statuses = pod["status"].get("containerStatuses", [])
    return dict(statuses[0][when]["terminated"]) if statuses and "terminated" in statuses[0].get(when, {}) else None


def _counts(pods: list[dict[str, Any]]) -> list[int]:
    return [s["restartCount"] for pod in pods for s in pod["status"].get("containerStatuses", [])]


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {found!r}")


def main() -> int:
    road = Road()
    steps: tuple[Step, ...] = (
        ("build the packages of two versions", road.build),
        ("boot a Debian guest", road.boot),
        ("install the packages without a network", road.install),
        ("start a site and join a board", road.join),
        ("run pods from an image archive", road.run_pods),
        ("hold pods to their limits", road.limit),
        ("reboot without the cloud", road.reboot),
        ("cut the power when images have just come", road.cut_images),
        ("cut the power while pods come and go", road.cut),
        ("upgrade", road.upgrade),
        ("downgrade", road.downgrade),
        ("purge", road.purge),
    )
    return play(_chosen(road, steps), road.down, road.told)


def _chosen(road: Road, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Those from ``FROM`` to ``TO``."""
    names = [step.__name__ for _, step in steps]
    unknown = {FROM, TO} - {"", *names}
    if unknown:
        raise SystemExit(f"no step {', '.join(unknown)}; there are {', '.join(names)}")
    first = names.index(FROM) if FROM else 0
    last = names.index(TO) if TO else len(names) - 1
    chosen = tuple((title, _saved(road, step)) for title, step in steps[first : last + 1])
    if first <= names.index("boot"):
        return chosen
    before = names[first - 1]
    return (*(steps[:1] if NEW else ()), (f"go on after “{before}”", lambda: road.go_on(before)), *chosen)


def _saved(road: Road, step: Callable[[], str]) -> Callable[[], str]:
    def step_and_save() -> str:
        said = step()
        road.save(step.__name__)
        return said

    return step_and_save


if __name__ == "__main__":
    sys.exit(main())
