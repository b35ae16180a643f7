"""Pods of every kind that come, change and go while EdgeCore is killed again and again, and what must be true of them afterwards."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.parts import Board, Site, owner
from demo.stage import Failed, run, wait_for
from edgecore.containers import labels
from edgecore.leftovers import started_with

WAITS = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
MOST = 12
"""Pods that come and go, at most at one time."""
Place = tuple[str, str]
"""(uid of a pod, name of a container)."""


def container(image: str, name: str = "main", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": WAITS, **fields}


def witnessed(pod: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same pod, whose containers write down that they start (``Witness``)."""
    spec = dict(pod["spec"])
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [_witnessed(each) for each in spec[kind]]
    spec["volumes"] = [*spec.get("volumes", []), {"name": "starts", "hostPath": {"path": str(folder), "type": "Directory"}}]
    return {**pod, "spec": spec}


def _witnessed(container: dict[str, Any]) -> dict[str, Any]:
    shell, word, script = container["command"]
    return {
        **container,
        "command": [shell, word, f"echo started >> /starts/$POD_UID.{container['name']}; {script}"],
        "env": [{"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        "volumeMounts": [*container.get("volumeMounts", []), {"name": "starts", "mountPath": "/starts"}],
    }


def pod(image: str, name: str, group: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"group": group}},
        "spec": {"containers": [container(image)], "terminationGracePeriodSeconds": 2, **spec},
    }


def lasting_pods(image: str, group: str) -> list[dict[str, Any]]:
    """One of each way in which a pod becomes containers that run on. They need the ConfigMap and the claim of ``needs``."""
    storage = [
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "conf", "configMap": {"name": "churn"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "churn"}},
    ]
    mounts = [{"name": "memory", "mountPath": "/memory"}, {"name": "conf", "mountPath": "/conf"}, {"name": "data", "mountPath": "/data"}]
    probe = {"exec": {"command": ["/bin/cat", "/conf/word"]}, "periodSeconds": 2, "timeoutSeconds": 5}
    memory = {"volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}]}
    shared = {"volumeMounts": [{"name": "memory", "mountPath": "/shared"}]}
    first = container(image, "first", command=["/bin/sh", "-c", "echo ready > /shared/file"], **shared)
    side = container(image, "side", restartPolicy="Always", **shared)
    careful = container(image, command=["/bin/sh", "-c", f"cat /shared/file || exit 1; {WAITS[2]}"], **shared)
    return [
        pod(image, f"{group}-alone", group),
        pod(image, f"{group}-several", group, containers=[container(image, "one"), container(image, "two")]),
        pod(image, f"{group}-ordered", group, initContainers=[first, side], containers=[careful], **memory),
        pod(image, f"{group}-host", group, hostNetwork=True),
        pod(image, f"{group}-stored", group, volumes=storage, containers=[container(image, volumeMounts=mounts, readinessProbe=probe)]),
    ]


def ending_pods(image: str, group: str) -> list[dict[str, Any]]:
    """Those that are to end well, to end badly, and to crash for ever."""
    ends = ["/bin/sh", "-c", "sleep 1"]
    return [
        pod(image, f"{group}-done", group, restartPolicy="Never", containers=[container(image, command=ends)]),
        pod(image, f"{group}-failed", group, restartPolicy="Never", containers=[container(image, command=["/bin/sh", "-c", "exit 3"])]),
        pod(image, f"{group}-crash", group, containers=[container(image, command=["/bin/sh", "-c", "sleep 0.2; exit 1"])]),
    ]


def needs() -> list[dict[str, Any]]:
    """What ``lasting_pods`` name."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "churn"}, "data": {"word": "0"}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "churn"}, "spec": spec},
    ]


def apply(site: Site, *objects: dict[str, Any]) -> None:
    site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def podman(board: Board, *words: str) -> str:
    """A podman command with the configuration of the board's engine, but not through its service, which may be going just now."""
    return run("podman", *words, env={"CONTAINERS_CONF": str(board.folder / "edged" / "containers.conf")})


def listed(board: Board) -> list[dict[str, Any]]:
    """The containers of pods (``Id``, ``Labels``, ``State``), without those that hold their networks."""
    found = json.loads(podman(board, "ps", "-a", "--no-trunc", "--format", "json", "--filter", f"label={owner(board.folder)}") or "[]")
    return [c for c in found if labels.CONTAINER in c["Labels"]]


def running(board: Board, group: str) -> dict[tuple[str, str], str]:
    """(pod, container) to id of what runs now, sidecars included, init containers that are done not."""
    return {
        (c["Labels"][labels.POD_NAME], c["Labels"][labels.CONTAINER]): c["Id"]
        for c in listed(board)
        if c["State"] == "running" and c["Labels"][labels.POD_NAME].startswith(f"{group}-")
    }


def ready(site: Site, group: str) -> bool:
    pods = site.pods(f"group={group}")
    conditions = [{c["type"]: c["status"] for c in pod["status"].get("conditions", [])} for pod in pods]
    return bool(pods) and all(c.get("Ready") == "True" for c in conditions)


def statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]


class Witness:
    """Every start of a container, as the container itself writes it down in a folder of the host, whoever lives or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def starts(self) -> Counter[Place]:
        found: Counter[Place] = Counter()
        for file in self._folder.iterdir():
            uid, _, name = file.name.partition(".")
            found[(uid, name)] = len(file.read_text().splitlines())
        return found


@dataclass
class Churn:
    """``stir`` does something to the pods, ``kill`` kills EdgeCore at a moment of chance; ``faults`` says what is not as it should be."""

    site: Site
    board: Board
    image: str
    chance: random.Random
    alive: set[str] = field(default_factory=set)
    word: int = 0
    seen_twice: set[str] = field(default_factory=set)
    made: int = 0

    def begin(self) -> None:
        """Lay the pods that stay, and wait until they are ready."""
        self._starts = self.board.folder / "starts"
        self._starts.mkdir(exist_ok=True)
        self.witness = Witness(self._starts)
        apply(self.site, *needs(), *(witnessed(pod, self._starts) for pod in lasting_pods(self.image, "steady")))
        self.site.wait("every pod ready", lambda: ready(self.site, "steady") or None, within=120)
        self.steady = running(self.board, "steady")

    def end(self) -> None:
        self.site.kubectl("delete", "pod", "-l", "group in (steady,churn)", "--wait=false")
        self.site.wait("the pods gone", lambda: not self.site.pods("group in (steady,churn)") or None, within=90)

    def stir(self) -> None:
        """Make or delete up to three pods, now and then change the ConfigMap or a pod's image name."""
        for _ in range(self.chance.randint(1, 3)):
            if self.alive and (len(self.alive) >= MOST or self.chance.random() < 0.4):
                name = self.chance.choice(sorted(self.alive))
                self.alive.discard(name)
                force = ("--force", "--grace-period=0") if self.chance.random() < 0.3 else ()
                self.site.kubectl("delete", "pod", name, "--wait=false", *force)
            else:
                self._make()
        if self.chance.random() < 0.3:
            self.word += 1
            self.site.kubectl("patch", "configmap", "churn", "--type=merge", "-p", json.dumps({"data": {"word": str(self.word)}}))

    def wait_for_a_moment(self) -> None:
        """Half of the time in the middle of something, else whenever."""
        if self.chance.random() < 0.5:
            self._wait_for_work(self.chance.randint(1, 30))
            time.sleep(self.chance.uniform(0.0, 0.15))
        else:
            time.sleep(self.chance.choice((self.chance.uniform(0.1, 1.5), self.chance.uniform(1.0, 5.0))))

    def _wait_for_work(self, lines: int) -> None:
        """Until EdgeCore has logged so much more, or has nothing to do."""
        log = self.site.folder / f"{self.board.node}.log"
        begun, deadline = log.read_bytes().count(b"\n"), time.monotonic() + 10.0
        while log.read_bytes().count(b"\n") < begun + lines and time.monotonic() < deadline:
            time.sleep(0.02)

    def look_for_twins(self) -> None:
        """Two running containers in one place, while EdgeCore is dead."""
        alive = [c for c in listed(self.board) if c["State"] == "running"]
        places = Counter((c["Labels"][labels.POD_UID], c["Labels"][labels.CONTAINER]) for c in alive)
        self.seen_twice |= {f"{uid} {name}" for (uid, name), count in places.items() if count > 1}

    def faults(self, within: float) -> list[str]:
        """What is still wrong ``within`` seconds after the last kill, sentence by sentence; empty: all is well."""
        found: list[str] = []

        def none() -> bool:
            nonlocal found
            found = [*self._api_faults(), *self._board_faults()]
            return not found

        try:
            wait_for("every pod as it should be", none, within=within, every=1.0)
        except Failed as exc:
            found = found or [str(exc)]  # every look failed
        return [*found, *(f"ran twice at once: {place}" for place in sorted(self.seen_twice))]

    def _make(self) -> None:
        self.made += 1
        kind = self.chance.choice([*lasting_pods(self.image, "churn"), *ending_pods(self.image, "churn")])
        name = f"{kind['metadata']['name']}-{self.made}"
        self.alive.add(name)
        metadata, spec = {**kind["metadata"], "name": name}, {**kind["spec"], "nodeName": self.board.node}
        apply(self.site, witnessed({**kind, "metadata": metadata, "spec": spec}, self._starts))

    def _api_faults(self) -> list[str]:
        pods = self.site.pods("group in (steady,churn)")
        starts, faults = self.witness.starts(), []
        names = {p["metadata"]["name"] for p in pods}
        faults += [f"{name}: is not in the API" for name in sorted(self.alive - names)]
        faults += [f"{name}: deleted, and still in the API" for name in sorted(names - self.alive - {n for n, _ in self.steady})]
        for found in pods:
            name, uid, phase = found["metadata"]["name"], found["metadata"]["uid"], found["status"].get("phase")
            wanted = "Succeeded" if "-done" in name else "Failed" if "-failed" in name else "Running"
            if phase != wanted:
                faults.append(f"{name}: {phase} instead of {wanted}")
            for status in statuses(found):
                number = starts[(uid, status["name"])]
                if status["restartCount"] != number - 1:
                    faults.append(f"{name}/{status['name']}: {number} starts, restartCount {status['restartCount']}")
                if status["restartCount"] and "-crash" not in name:
                    faults.append(f"{name}/{status['name']}: restarted without cause")
            conditions = {c["type"]: c["status"] for c in found["status"].get("conditions", [])}
            if wanted == "Running" and "-crash" not in name and conditions.get("Ready") != "True":
                faults.append(f"{name}: not ready: {found['status'].get('conditions')}")
        return faults

    def _board_faults(self) -> list[str]:
        found = [c for c in listed(self.board) if c["Labels"][labels.POD_NAME].startswith(("steady-", "churn-"))]
        faults: list[str] = []
        there = Counter((c["Labels"][labels.POD_UID], c["Labels"][labels.CONTAINER]) for c in found)
        pods = [p for p in self.site.pods("group in (steady,churn)") if p["spec"].get("nodeName") == self.board.node]
        wanted = {(p["metadata"]["uid"], c["name"]) for p in pods for c in (*p["spec"].get("initContainers", []), *p["spec"]["containers"])}
        faults += [f"container {place}: nobody wants it" for place in sorted(there.keys() - wanted)]
        faults += [f"container {place}: is missing" for place in sorted(wanted - there.keys())]
        faults += [f"container {place}: is there {count} times" for place, count in sorted(there.items()) if count > 2]  # one for its log
        alive = Counter((c["Labels"][labels.POD_UID], c["Labels"][labels.CONTAINER]) for c in found if c["State"] == "running")
        faults += [f"container {place}: runs {count} times" for place, count in sorted(alive.items()) if count > 1]
        if running(self.board, "steady") != self.steady:
            faults.append("a container that should have been left alone was made anew")
        told = {
            s["containerID"].rpartition("/")[2]
            for p in pods
            for s in statuses(p)
            if s.get("containerID") and "-crash" not in p["metadata"]["name"]
        }
        faults += [f"the API tells of container {id_[:12]}, which is not there" for id_ in sorted(told - {c["Id"] for c in found})]
        uids = {p["metadata"]["uid"] for p in self.site.pods()}
        faults += [f"sandbox of {uid}: nobody wants it" for uid in sorted(self._sandboxes() - uids)]
        faults += [f"files of {uid} are left over" for uid in sorted(self._folders() - uids)]
        faults += [f"{path} is still mounted" for path in self._mounts() if not any(uid in path for uid in uids)]
        services = started_with("service", f"unix://{self.board.folder}/edged/podman.sock")
        faults += [f"{len(services)} Podman services"] * (len(services) != 1)
        for c in found:
            name = c["Labels"][labels.POD_NAME]
            if "-stored" in name and c["State"] == "running":
                word = podman(self.board, "exec", c["Id"], "cat", "/conf/word").strip()
                faults += [f"{name}: the ConfigMap is at {word}, not {self.word}"] * (word != str(self.word))
        return faults

    def _sandboxes(self) -> set[str]:
        found = json.loads(podman(self.board, "pod", "ps", "--format", "json", "--filter", f"label={owner(self.board.folder)}") or "[]")
        return {str(entry["Labels"][labels.POD_UID]) for entry in found or []}

    def _folders(self) -> set[str]:
        place = self.board.folder / "edged" / "pods"
        return {entry.name for entry in place.iterdir()} if place.is_dir() else set()

    def _mounts(self) -> list[str]:
        instance = labels.instance_of(str(self.board.folder / "edged"))
        paths = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        return [path for path in paths if f"bramble-{instance}/pods/" in path]
