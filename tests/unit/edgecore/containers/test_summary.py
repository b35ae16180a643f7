from __future__ import annotations

from pathlib import Path

from edgecore.containers.labels import CONTAINER, POD_NAME, POD_NAMESPACE, POD_UID
from edgecore.containers.model import Container, State
from edgecore.containers.summary import NodeUse, Use, summary
from edgecore.containers.usage import _idle_cache

MACHINE = NodeUse(0.5, 7, 100, 80, 900, 60.0, 1000, 400)


def use(pod: str, container: str, cores: float) -> Use:
    label = {CONTAINER: container, POD_NAME: pod, POD_NAMESPACE: "default", POD_UID: f"{pod}-1"}
    found = Container(f"{pod}-{container}", "n", "i", "s", State.RUNNING, label, started=1_000_000.0, pid=7)
    return Use(found, cores, 5, 30, 20)


def test_what_is_used_is_told_in_a_kubelets_form() -> None:
    said = summary("edge1", MACHINE, [use("web", "b", 0.25), use("web", "a", 0.5), use("db", "a", 0.0)], now=1_000_100.0)
    assert [pod["podRef"]["name"] for pod in said["pods"]] == ["db", "web"]
    web = said["pods"][1]
    assert web["podRef"] == {"name": "web", "namespace": "default", "uid": "web-1"}
    assert [container["name"] for container in web["containers"]] == ["a", "b"]
    assert web["containers"][0] == {
        "name": "a",
        "startTime": "1970-01-12T13:46:40Z",
        "cpu": {"time": "1970-01-12T13:48:20Z", "usageNanoCores": 500_000_000, "usageCoreNanoSeconds": 5},
        "memory": {"time": "1970-01-12T13:48:20Z", "usageBytes": 30, "workingSetBytes": 20},
    }
    assert (web["cpu"]["usageNanoCores"], web["memory"]["workingSetBytes"]) == (750_000_000, 40)
    assert said["node"]["nodeName"] == "edge1"
    assert said["node"]["startTime"] == "1970-01-12T13:47:20Z"
    assert said["node"]["memory"]["availableBytes"] == 900
    assert said["node"]["fs"] == {"time": "1970-01-12T13:48:20Z", "availableBytes": 400, "capacityBytes": 1000, "usedBytes": 600}


def test_a_disk_that_cannot_be_asked_is_left_out() -> None:
    assert "fs" not in summary("edge1", NodeUse(0, 0, 0, 0, 0, 0.0, 0, 0), [], now=0.0)["node"]


def test_files_that_the_kernel_would_give_up_do_not_count_as_used_in_either_kind_of_cgroup(tmp_path: Path) -> None:
    container = use("web", "a", 0.0).container
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "7").mkdir(parents=True)
    assert _idle_cache(container, proc, groups) == 0
    (proc / "7/cgroup").write_text("9:cpu,memory:/libpod/web-a\n0::/other\n")
    (groups / "memory/libpod/web-a").mkdir(parents=True)
    (groups / "memory/libpod/web-a/memory.stat").write_text("cache 9\ninactive_file 1\ntotal_inactive_file 12\n")
    assert _idle_cache(container, proc, groups) == 12
    (proc / "7/cgroup").write_text("0::/libpod/web-a\n")
    (groups / "libpod/web-a").mkdir(parents=True)
    (groups / "libpod/web-a/memory.stat").write_text("anon 9\ninactive_file 34\n")
    assert _idle_cache(container, proc, groups) == 34
    (proc / "7/cgroup").write_text("0::/of/somebody/else\n")
    assert _idle_cache(container, proc, groups) == 0
