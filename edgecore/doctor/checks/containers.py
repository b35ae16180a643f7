"""Podman: its version, its runtime, its store, its network, and what nobody looks after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgecore.beehive.folder import SUFFIXES
from edgecore.containers.engine import LONGEST_SOCKET_PATH, SYSTEM_SOCKET
from edgecore.containers.engine_choice import MachineFacts, unfit
from edgecore.containers.labels import INSTANCE, MANAGED, instance_of
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.edged.static_pods import static_pods
from edgecore.errors import EdgeCoreError, EngineError
from edgecore.leftovers import end, started_with

OLDEST, TRIED = (4, 3), (5, 9)
NETAVARK_WITH_NFT = (1, 13)
"""From here on it asks for nft unless told otherwise; Debian 12 has 1.4, Debian 13 has 1.14."""

_VERSION = re.compile(r"(\d+)\.(\d+)")
_PATIENCE = 5.0


def judge_podman(said: str) -> Verdict:
    """``said``: what ``podman --version`` prints, empty where there is none."""
    found = _VERSION.search(said)
    if found is None:
        return wrong("podman is not installed", "apt install podman")
    version = (int(found[1]), int(found[2]))
    if version < OLDEST:
        return wrong(f"{said} is too old: {OLDEST[0]}.{OLDEST[1]} or later is needed", "use Debian 12 or later")
    if version > TRIED:
        return warning(f"{said} is later than what Bramble was made for (up to 5)", "go on, and report what fails")
    return ok(said)


def judge_runtime(facts: MachineFacts) -> Verdict:
    if not facts.oci_runtimes:
        return wrong("neither crun nor runc is installed: no container can start", "apt install crun")
    return ok(" and ".join(facts.oci_runtimes))


def judge_service(engine_trouble: str | None, system: str | None, facts: MachineFacts, path_length: int) -> Verdict:
    """``engine_trouble`` as the running EdgeCore tells it, None where it cannot be asked. ``system``: why the system's Podman service is
    not used, None where there is none."""
    if path_length > LONGEST_SOCKET_PATH:
        return wrong("modules.edged.rootDirectory is too long for the path of a socket", f"at most {LONGEST_SOCKET_PATH - 12} characters")
    if engine_trouble:
        return wrong(
            f"the container engine does not answer: {engine_trouble}", "journalctl -u edgecore -n 50; is podman installed, is there room?"
        )
    if engine_trouble is None:
        return skipped("EdgeCore does not run, or cannot be asked: it brings Podman's service")
    if system:
        return ok(f"the engine answers; it is EdgeCore's own, as of the system's {system}")
    return ok("the engine answers")


def judge_storage(info: Mapping[str, Any]) -> Verdict:
    store = info.get("store") or {}
    driver, place = str(store.get("graphDriverName") or ""), str(store.get("graphRoot") or "")
    backing = str((store.get("graphStatus") or {}).get("Backing Filesystem") or "")
    if driver == "vfs":
        return wrong(
            "Podman keeps images with the driver vfs: every container is a full copy",
            'set driver = "overlay" in /etc/containers/storage.conf and load the images again; see kernel-modules',
        )
    if backing == "tmpfs":
        return wrong(
            f"{place} lies in memory: images and containers are gone after a reboot", "put it on a disk: graphroot in storage.conf"
        )
    if driver and driver != "overlay":
        return warning(
            f"Podman's storage driver is {driver}; Bramble was tried with overlay", "use overlay where nothing speaks against it"
        )
    return ok(f"overlay on {backing or 'a disk'} at {place}") if driver else skipped("Podman does not tell")


def judge_network(backend: str, *, has_program: bool, firewall: str = "") -> Verdict:
    """``firewall``: the program that the backend sets its rules with and that is missing here."""
    if not backend:
        return skipped("Podman does not tell its network backend")
    if not has_program:
        package = "netavark" if backend == "netavark" else "containernetworking-plugins"
        return wrong(f"the programs of Podman's network backend {backend} are missing: pods get no address", f"apt install {package}")
    if firewall:
        package = {"nft": "nftables"}.get(firewall, firewall)
        return wrong(f"{backend} needs the program {firewall}, which is missing: pods get no network", f"apt install {package}")
    return ok(f"pods get their network from {backend}")


def firewall_of(info: Mapping[str, Any]) -> str:
    """The program that Podman's network backend sets its rules with."""
    host = info.get("host") or {}
    found = _VERSION.search(str((host.get("networkBackendInfo") or {}).get("version") or ""))
    is_new = host.get("networkBackend") == "netavark" and found is not None and (int(found[1]), int(found[2])) >= NETAVARK_WITH_NFT
    return "nft" if is_new else "iptables"


def judge_leftover_containers(found: Mapping[str, Sequence[str]], ours: str) -> Verdict:
    """``found``: names of containers that an EdgeCore made, by its instance."""
    others = {instance: names for instance, names in found.items() if instance != ours}
    if others:
        count = sum(map(len, others.values()))
        example = next(iter(others))
        return warning(
            f"{count} containers are of another EdgeCore ({', '.join(others)}), e.g. {others[example][0]}: this one leaves them alone",
            f"if none runs on this machine any more: podman pod rm -f $(podman pod ps -q --filter label={INSTANCE}={example})",
        )
    return ok(f"{len(found.get(ours, ()))} containers are EdgeCore's, none of another one")


def judge_leftover_programs(agent: int, programs: Mapping[int, str]) -> Verdict:
    """``programs``: what an EdgeCore that is gone left running."""
    if agent:
        return ok("EdgeCore runs and has ended what was left by an earlier one")
    if programs:
        names = ", ".join(f"{name} (process {pid})" for pid, name in programs.items())
        return warning(f"left behind by an EdgeCore that was killed: {names}", "EdgeCore ends them when it starts", fixable=True)
    return ok("nothing was left behind")


def judge_static_pods(folder: str, pods: int, problems: Sequence[str]) -> Verdict:
    if problems:
        return wrong("; ".join(problems[:3]), f"correct the file; kubectl apply --dry-run=client -f checks one in {folder}")
    return ok(f"{pods} pods in {folder}") if pods else ok(f"no pods in {folder}")


def _look_podman(case: Case) -> Verdict:
    if not case.board.program("podman"):
        return judge_podman("")
    ran = case.board.run("podman", "--version")
    if ran.code and not case.board.is_root():
        raise NeedsRoot("podman --version")
    if ran.code:
        return wrong(f"podman cannot be run: {ran.error or f'exit code {ran.code}'}", "apt install --reinstall podman")
    return judge_podman(ran.output)


def _look_runtime(case: Case) -> Verdict:
    return judge_runtime(case.engine_facts())


def _look_service(case: Case) -> Verdict:
    if not case.config.modules.edged.enable:
        return skipped("modules.edged is off")
    path_length = len(f"{case.engine_folder}/podman.sock".encode())
    trouble = str(case.status()["engineTrouble"]) if case.agent() and case.config.modules.local_api.enable else None
    return judge_service(trouble, _system_service(case), case.engine_facts(), path_length)


def _system_service(case: Case) -> str | None:
    from edgecore.containers.podman import PodmanRuntime

    endpoint = case.config.modules.edged.remote_runtime_endpoint
    if endpoint or not case.board.exists(SYSTEM_SOCKET):
        return None
    runtime = PodmanRuntime(f"unix://{case.board.place(SYSTEM_SOCKET)}")
    try:
        return unfit(runtime.info(), case.engine_facts())
    except EdgeCoreError as exc:
        return str(exc)
    finally:
        runtime.close()


def _look_storage(case: Case) -> Verdict:
    try:
        return judge_storage(case.podman_info())
    except EngineError as exc:
        return wrong(
            f"Podman cannot say how it keeps images: {exc}", "podman info, as root, says more; podman system check from Podman 5 on"
        )


def _look_network(case: Case) -> Verdict:
    backend = str((case.podman_info().get("host") or {}).get("networkBackend") or "")
    places = {
        "netavark": ("/usr/lib*/podman/netavark", "/usr/libexec/podman/netavark"),
        "cni": ("/usr/lib/cni/bridge", "/opt/cni/bin/bridge"),
    }
    has_program = any(case.board.find(place) for place in places.get(backend, ()))
    wanted = firewall_of(case.podman_info())
    firewall = "" if case.board.program(wanted) else wanted
    return judge_network(backend, has_program=has_program, firewall=firewall)


def _look_leftover_containers(case: Case) -> Verdict:
    found: dict[str, list[str]] = {}
    for entry in case.podman("ps", "-a", "--filter", f"label={MANAGED}=true", "--format", "json") or []:
        if not entry.get("IsInfra"):
            instance = str((entry.get("Labels") or {}).get(INSTANCE) or "")
            found.setdefault(instance, []).append(str((entry.get("Names") or ["?"])[0]))
    return judge_leftover_containers(found, instance_of(case.engine_folder))


def left_programs(case: Case) -> dict[int, str]:
    broker = case.database.parent / "broker" / "mosquitto.conf"
    service = f"unix://{case.board.place(case.engine_folder)}/podman.sock"
    proc = case.board.place("/proc")
    podman = dict.fromkeys(started_with("service", service, proc=proc), "Podman's service")
    return podman | dict.fromkeys(started_with("-c", str(broker), proc=proc), "a broker")


def _look_leftover_programs(case: Case) -> Verdict:
    agent = case.agent()
    return judge_leftover_programs(agent, {} if agent else left_programs(case))


def _repair_leftover_programs(case: Case) -> str:
    """As EdgeCore does it at its start: Podman never by force."""
    if case.agent():
        return "EdgeCore runs"
    found = left_programs(case)
    stay = [name for pid, name in found.items() if not end(pid, _PATIENCE, by_force=name == "a broker")]
    return f"{', '.join(stay)} has work to do and ends after it" if stay else f"ended: {', '.join(found.values())}"


def _look_static_pods(case: Case) -> Verdict:
    import yaml

    folder = case.config.modules.edged.static_pod_path
    pods, problems = 0, []
    for path in case.board.find(f"{folder}/*"):
        name = path.rsplit("/", 1)[-1]
        if not name.endswith(SUFFIXES) or name.startswith("."):
            continue
        try:
            documents = [document for document in yaml.safe_load_all(case.board.text(path)) if document is not None]
            pods += len(static_pods(documents, file=path, node=case.config.modules.edged.hostname_override or "node"))
        except (ValueError, RecursionError, yaml.YAMLError) as exc:
            text = " ".join(str(exc).split())
            problems.append(text if path in text else f"{path}: {text}")
    return judge_static_pods(folder, pods, problems)


CHECKS = (
    Check("podman", Group.CONTAINERS, "Podman is installed, 4.3 or later", "Podman runs the containers of pods.", _look_podman),
    Check("oci-runtime", Group.CONTAINERS, "crun or runc is installed", "It is what starts a container in the end.", _look_runtime),
    Check(
        "podman-service",
        Group.CONTAINERS,
        "the container engine answers EdgeCore",
        "Without it no pod is started, stopped or looked at.",
        _look_service,
        limit=30.0,
        root=True,
    ),
    Check(
        "podman-storage",
        Group.CONTAINERS,
        "images are kept with overlay, on a disk",
        "With vfs every container is a copy of its whole image: a card fills within hours.",
        _look_storage,
        limit=30.0,
        root=True,
    ),
    Check(
        "podman-network",
        Group.CONTAINERS,
        "the programs that give pods their network are there",
        "Without them no pod with a network of its own starts.",
        _look_network,
        limit=30.0,
        root=True,
    ),
    Check(
        "leftover-containers",
        Group.CONTAINERS,
        "no containers of another EdgeCore, whose folder has moved or gone",
        "They run, hold ports and take memory, and nobody looks after them.",
        _look_leftover_containers,
        limit=30.0,
        root=True,
    ),
    Check(
        "leftover-programs",
        Group.CONTAINERS,
        "no broker and no Podman service of an EdgeCore that was killed",
        "They hold ports and memory until EdgeCore starts again.",
        _look_leftover_programs,
        root=True,
        repair=_repair_leftover_programs,
        repairs="ends them, as EdgeCore does when it starts; containers go on",
    ),
    Check(
        "static-pods",
        Group.CONTAINERS,
        "every file of static pods can be read",
        "A pod in a file with a mistake does not run; of a file that was good before the old pods stay.",
        _look_static_pods,
        root=True,
    ),
)
