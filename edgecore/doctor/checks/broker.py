"""The MQTT broker, and ports that others took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.network import Listener
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.eventbus.broker import BrokerAddress, answers, parse_address
from edgecore.eventbus.modes import EXTERNAL, INTERNAL, Plan, Seen, plan
from edgecore.eventbus.mosquitto import find_program

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PROBE_S = 3.0


def judge_broker(decided: Plan, refusal: str, *, agent: int, own_answers: bool) -> Verdict:
    """``decided``: what EdgeCore does with what was seen. ``refusal``: why the external broker is of no use, empty where it is."""
    if decided.trouble:
        return wrong(decided.trouble, "apt install mosquitto, or set modules.eventbus.mqttServerExternal")
    if decided.use_external and refusal:
        return wrong(
            f"the external broker is of no use: {refusal}",
            "is it running? See modules.eventbus.mqttServerExternal, mqttUsername, mqttPassword",
        )
    if decided.run_own and agent and not own_answers:
        return wrong("EdgeCore's own broker does not answer", "journalctl -u edgecore -n 50")
    return ok(decided.reason)


def judge_exposed(listeners: Sequence[Listener], *, anonymous: bool) -> Verdict:
    """``listeners``: those at the broker's port. ``anonymous``: it takes visitors without a password."""
    wide = sorted({listener.address for listener in listeners if not listener.only_here})
    if wide and anonymous:
        return warning(
            f"the broker listens on {', '.join(wide)} and asks for no password: whoever is in the network can set devices",
            "listener 1883 127.0.0.1 in mosquitto.conf, or passwords and ACLs; docs/mqtt.md",
        )
    return ok("the broker is reached from this board only" if not wide else "the broker asks visitors for a password")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port that a setting names. ``price``: what is so where another has it."""

    setting: str
    port: int
    price: str


def judge_ports(wanted: Sequence[Wanted], listeners: Sequence[Listener], ours: frozenset[int]) -> Verdict:
    """``ours``: process ids of EdgeCore and of what it started, with 0 where owners are not known."""
    taken = []
    for want in wanted:
        holder = next((found for found in listeners if found.port == want.port and found.pid not in ours), None)
        if holder is not None:
            who = f"{holder.program} (process {holder.pid})" if holder.pid else "another program"
            taken.append(f"{want.setting}: port {want.port} is {who}'s, so {want.price}")
    if taken:
        return warning("; ".join(taken), "end that program, or set another port")
    return ok(f"free or EdgeCore's: {', '.join(str(want.port) for want in wanted)}") if wanted else ok("no ports are wanted")


def _look_broker(case: Case) -> Verdict:
    bus = case.config.modules.eventbus
    if not bus.enable:
        return skipped("modules.eventbus is off")
    external = parse_address(bus.mqtt_server_external, username=bus.mqtt_username, password=bus.mqtt_password)
    internal = parse_address(bus.mqtt_server_internal)
    refusal = "" if bus.mqtt_mode == INTERNAL else answers(external, _PROBE_S)
    agent = case.agent()
    decided = plan(bus.mqtt_mode, Seen(refusal, False, find_program()), internal_port=internal.port, fallback=bus.broker_fallback)
    own = bool(agent and decided.run_own and _own_broker_answers(case, internal.port))
    return judge_broker(decided, refusal, agent=agent, own_answers=own)


def _own_broker_answers(case: Case, port: int) -> bool:
    """At its port, or at the free one that it took because another had that."""
    ports = {port} | {found.port for found in case.listeners() if found.program == "mosquitto" and found.only_here}
    return any(not answers(BrokerAddress("127.0.0.1", candidate), _PROBE_S) for candidate in ports)


def _look_exposed(case: Case) -> Verdict:
    bus = case.config.modules.eventbus
    external = parse_address(bus.mqtt_server_external)
    if not bus.enable or bus.mqtt_mode == INTERNAL or external.host not in _LOOPBACK:
        return skipped("no broker of this board is used beside EdgeCore's own, which is on loopback")
    there = [found for found in case.listeners() if found.port == external.port]
    if not there:
        return skipped("no broker listens there")
    return judge_exposed(there, anonymous=not answers(BrokerAddress("127.0.0.1", external.port), _PROBE_S))


def _look_ports(case: Case) -> Verdict:
    metrics, bus = case.config.metrics, case.config.modules.eventbus
    wanted = []
    if metrics.enable and metrics.port:
        wanted.append(Wanted("metrics.port", metrics.port, "this board runs without its numbers"))
    if bus.enable and bus.mqtt_mode != EXTERNAL:
        wanted.append(
            Wanted("modules.eventbus.mqttServerInternal", parse_address(bus.mqtt_server_internal).port, "the own broker listens elsewhere")
        )
    return judge_ports(wanted, case.listeners(), _ours(case))


def _ours(case: Case) -> frozenset[int]:
    agent = case.agent()
    if not agent:
        return frozenset()
    brokers = {found.pid for found in case.listeners() if found.program == "mosquitto"}
    unseen = frozenset() if case.board.is_root() else frozenset({0})
    return frozenset({agent}) | brokers | unseen


CHECKS = (
    Check(
        "broker",
        Group.BROKER,
        "the MQTT broker of the config answers, or EdgeCore can run one",
        "Mappers and applications speak to EdgeCore over it: without it no device is read or set.",
        _look_broker,
        limit=20.0,
        root=True,
    ),
    Check(
        "broker-exposed",
        Group.BROKER,
        "the broker is not open to the network without a password",
        "Who can publish can set devices and report in their name.",
        _look_exposed,
        limit=20.0,
    ),
    Check(
        "ports",
        Group.BROKER,
        "the ports that EdgeCore listens on are not another program's",
        "EdgeCore never fights for a port: it does without, or takes another, which others then do not find.",
        _look_ports,
        root=True,
    ),
)
