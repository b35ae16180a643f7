"""What time it is here, who keeps it, and what the cloud thinks of it."""

from __future__ import annotations

from collections.abc import Collection

from edgecore.certs.clock import last_signed
from edgecore.certs.renewal import enrolment_endpoint
from edgecore.doctor import network
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.doctor.wording import minute
from edgecore.errors import EdgeCoreError, IdentityError

_EARLIEST = 1_735_689_600
"""2025: no board with this program lives before it."""

_TOLERANCE = 60
_OFFSET = 30
_KEEPERS = frozenset({"systemd-timesyn", "chronyd", "ntpd", "openntpd"})
_MEND = "timedatectl set-ntp true, and let the board reach a time server; by hand: date -s 'YYYY-MM-DD HH:MM'"


def judge_clock(now: float, *, signed: float, written: float, synced: bool, kept: bool) -> Verdict:
    """``signed``: the last time that the cloud signed, ``written``: when the database last changed; 0 where not known. ``kept``: a
    time service runs."""
    said = minute(now)
    if now < _EARLIEST:
        return wrong(f"the clock says {said}: it was never set since the board lost power", _MEND)
    if now + _TOLERANCE < max(signed, written):
        return wrong(f"the clock says {said}, and it was later than that before ({minute(max(signed, written))})", _MEND)
    if kept and not synced:
        return warning(
            f"the clock says {said}, and its time service has not heard any server", "let the board reach a time server (UDP 123)"
        )
    return ok(f"{said}{'' if synced else ', kept by nobody: see clock-source'}")


def judge_source(keepers: Collection[str], *, installed: bool, has_rtc: bool) -> Verdict:
    """``installed``: systemd-timesyncd can be turned on."""
    rtc = "a clock with a battery" if has_rtc else "no clock with a battery: after a power cut the time is wrong until a server is heard"
    if keepers:
        return ok(f"{', '.join(sorted(keepers))} keeps the clock; {rtc}")
    mend = "timedatectl set-ntp true" if installed else "apt install systemd-timesyncd"
    return warning(f"no time service runs; {rtc}", mend, fixable=installed)


def judge_offset(offset: float) -> Verdict:
    """``offset``: seconds that this board's clock is ahead of the cloud's."""
    if abs(offset) <= _OFFSET:
        return ok("this board and the cloud agree on the time")
    ahead = "ahead of" if offset > 0 else "behind"
    return warning(
        f"this board's clock is {abs(offset):.0f} s {ahead} the time that the cloud signs", f"one of the two is wrong; here: {_MEND}"
    )


def _look_clock(case: Case) -> Verdict:
    facts = case.board.facts(case.config.database.data_source) if case.board.is_root() else None
    signed = last_signed(case.identity_files.signed_time)
    return judge_clock(
        case.board.now(),
        signed=signed,
        written=facts.changed if facts else 0,
        synced=case.machine().clock_synced,
        kept=bool(_keepers(case)),
    )


def _keepers(case: Case) -> set[str]:
    return set(case.board.processes().values()) & _KEEPERS


def _look_source(case: Case) -> Verdict:
    installed = bool(case.board.find("/*/systemd/systemd-timesyncd") or case.board.find("/usr/lib/systemd/systemd-timesyncd"))
    can_start = installed and case.board.exists("/run/systemd/system")
    return judge_source(_keepers(case), installed=can_start, has_rtc=case.board.exists("/sys/class/rtc/rtc0"))


def _repair_source(case: Case) -> str:
    ran = case.board.run("timedatectl", "set-ntp", "true")
    if ran.code:
        raise EdgeCoreError(f"timedatectl set-ntp true: {ran.error}")
    return "the time service was turned on"


def _look_offset(case: Case) -> Verdict:
    from edgecore.certs import enrol, keys

    ca = case.board.text(case.config.modules.edgehub.tls_ca_file) if case.speaks_to_a_cloud else ""
    if not ca:
        return skipped("this board has not joined a cloud")
    endpoint = enrolment_endpoint(case.config.modules.edgehub)
    try:
        case.addresses_of(endpoint.host)
    except EdgeCoreError:
        return skipped(f"{endpoint.host} has no address: see dns")
    if network.refusal(endpoint.host, endpoint.port):
        return skipped(f"{endpoint} cannot be reached: see cloud-enrolment")
    try:
        signed = enrol.signed_time(endpoint, keys.to_der(ca.encode()))
    except IdentityError as exc:
        return wrong(str(exc), "is modules.edgehub.httpServer the cloud that this board joined?")
    return skipped("this cloud signs no time") if signed is None else judge_offset(case.board.now() - signed)


CHECKS = (
    Check(
        "clock",
        Group.CLOCK,
        "the clock is not in the past, and a time service keeps it",
        "Logs, samples and certificates carry its time. EdgeCore itself does without: the cloud signs the time for the link.",
        _look_clock,
        root=True,
    ),
    Check(
        "clock-source",
        Group.CLOCK,
        "a time service runs; whether there is a clock with a battery",
        "A Raspberry Pi without a battery starts in the past each time.",
        _look_source,
        repair=_repair_source,
        repairs="turns systemd's time service on, where it is installed",
    ),
    Check(
        "clock-cloud",
        Group.CLOCK,
        "this clock agrees with the time that the cloud signs",
        "Times in the cloud and on the board cannot be compared otherwise, and pods refuse certificates of others.",
        _look_offset,
        limit=30.0,
    ),
)
