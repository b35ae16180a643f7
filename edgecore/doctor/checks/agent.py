"""EdgeCore itself: does it run, do its modules, is there a rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecore import surroundings
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.errors import EdgeCoreError
from edgecore.surroundings import NotHere

_UNIT = "edgecore.service"
_LOG = "journalctl -u edgecore -n 50"
_WRONG_SETTING = "2"


def judge_agent(pid: int, unit: Mapping[str, str], config: str) -> Verdict:
    """``unit``: properties of the systemd unit, empty without one."""
    starts = int(unit.get("NRestarts") or 0)
    if pid and starts:
        return warning(f"EdgeCore runs (process {pid}); systemd had to start it again {starts} times", f"see why: {_LOG}")
    if pid:
        return ok(f"EdgeCore runs (process {pid})")
    if unit.get("ExecMainStatus") == _WRONG_SETTING and unit.get("Result") == "exit-code":
        return wrong("EdgeCore ended because of a wrong setting", "see config; then systemctl restart edgecore")
    if unit.get("ActiveState") == "failed" or unit.get("Result", "success") != "success":
        return wrong(f"EdgeCore does not run: it ended with {unit.get('Result')}", f"see why: {_LOG}; then systemctl restart edgecore")
    start = "systemctl start edgecore" if unit.get("LoadState") == "loaded" else f"edgecore --config {config}"
    return wrong("EdgeCore does not run; containers that it started go on, but nothing looks after them", start)


def judge_boot(unit: Mapping[str, str]) -> Verdict:
    state = unit.get("UnitFileState", "")
    if unit.get("LoadState") != "loaded":
        return skipped("EdgeCore is no service of systemd here")
    if state in ("enabled", "enabled-runtime", "static", "alias"):
        return ok("EdgeCore starts with the board")
    return warning(f"EdgeCore does not start with the board ({_UNIT} is {state or 'unknown'})", "systemctl enable edgecore")


def judge_modules(status: Mapping[str, Any]) -> Verdict:
    modules: Sequence[Mapping[str, Any]] = status.get("modules") or []
    down = [f"{m['name']} ({m['lastError'] or 'no reason known'})" for m in modules if not m["running"]]
    if down:
        return wrong(f"modules that do not run now: {', '.join(down)}", f"they are started again by themselves; see why: {_LOG}")
    restarted = [f"{m['name']} {m['restarts']} times ({m['lastError']})" for m in modules if m["restarts"]]
    if restarted:
        return warning(
            f"modules that failed and were started again: {', '.join(restarted)}", f"{_LOG}; please report it, with edgecore diag"
        )
    return ok(f"{len(modules)} modules run")


def judge_rival(trouble: str) -> Verdict:
    return wrong(trouble, "systemctl disable --now kubelet kube-proxy") if trouble else ok("no kubelet runs here")


def _look_agent(case: Case) -> Verdict:
    if not case.configured:
        return skipped("EdgeCore is not set up: see config")
    if case.hidden is not None:
        raise case.hidden
    return judge_agent(case.agent(), _unit(case), str(case.config_file))


def _look_boot(case: Case) -> Verdict:
    return judge_boot(_unit(case))


def _look_socket(case: Case) -> Verdict:
    if not case.config.modules.local_api.enable:
        return skipped("modules.localAPI is off")
    if not case.agent():
        return skipped("EdgeCore does not run")
    try:
        case.status()
    except NeedsRoot:
        raise
    except EdgeCoreError as exc:
        return wrong(f"EdgeCore runs and its local command line does not answer: {exc}", f"{_LOG}; systemctl restart edgecore")
    return ok(f"EdgeCore answers at {case.config.modules.local_api.socket}")


def _look_modules(case: Case) -> Verdict:
    if not case.agent():
        return skipped("EdgeCore does not run")
    return judge_modules(case.status())


def _look_rival(case: Case) -> Verdict:
    try:
        surroundings.check(proc=case.board.place("/proc"))
    except NotHere as exc:
        return judge_rival(str(exc))
    return judge_rival("")


def _unit(case: Case) -> dict[str, str]:
    if not case.board.exists("/run/systemd/system"):
        return {}
    wanted = "LoadState,ActiveState,Result,ExecMainStatus,NRestarts,UnitFileState"
    ran = case.board.run("systemctl", "show", _UNIT, "-p", wanted)
    return dict(line.split("=", 1) for line in ran.output.splitlines() if "=" in line)


CHECKS = (
    Check(
        "edgecore",
        Group.AGENT,
        "EdgeCore runs, and was not started again and again",
        "Without it containers go on but are not restarted, devices are not read, and the cloud hears nothing.",
        _look_agent,
        root=True,
    ),
    Check(
        "edgecore-boot",
        Group.AGENT,
        "EdgeCore starts with the board",
        "After a power cut nobody is there to start it.",
        _look_boot,
    ),
    Check(
        "local-socket",
        Group.AGENT,
        "the running EdgeCore answers the local command line",
        "edgecore get, logs and exec ask there; one that runs and does not answer may hang.",
        _look_socket,
        limit=15.0,
        root=True,
    ),
    Check(
        "modules",
        Group.AGENT,
        "every module of EdgeCore runs, and none failed before",
        "A module in its back-off does nothing: no pods, no devices or no link, depending on which.",
        _look_modules,
        limit=15.0,
        root=True,
    ),
    Check(
        "kubelet",
        Group.AGENT,
        "no kubelet or kube-proxy runs on this machine",
        "Both would manage the same containers and addresses; EdgeCore refuses to start beside them.",
        _look_rival,
    ),
)
