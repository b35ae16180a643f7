"""Which brokers to use (contract 7.1), and what to say about it. Pure.

``mqttMode``: 0 a broker of our own, 1 both, 2 one that runs already. Two programs never fight for a port: where ours is taken, it gets
another one.
"""

from __future__ import annotations

from dataclasses import dataclass

INTERNAL, BOTH, EXTERNAL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found at the start. ``external_refusal`` is empty where a broker answers; ``program`` where Mosquitto is installed."""

    external_refusal: str
    internal_port_taken: bool
    program: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``own_port`` 0: any free one. ``reason`` goes to the log; ``trouble`` is what a person has to mend."""

    use_external: bool
    run_own: bool
    own_port: int
    reason: str
    trouble: str = ""


def plan(mode: int, seen: Seen, *, internal_port: int, fallback: bool) -> Plan:
    """What to do in ``mode``; ``fallback``: with mode 2 and no broker there, run our own."""
    missing = "" if seen.program else "no broker of our own can be started: the program mosquitto is not installed (apt install mosquitto)"
    port = 0 if seen.internal_port_taken else internal_port
    other = f"; port {internal_port} is taken, so ours listens on a free one" if seen.internal_port_taken else ""
    if mode == INTERNAL:
        return Plan(False, not missing, port, f"mqttMode 0: a broker of our own{other}", missing)
    if mode == BOTH:
        return Plan(True, not missing, port, f"mqttMode 1: a broker of our own beside the external one{other}", missing)
    if not seen.external_refusal:
        return Plan(True, False, 0, "mqttMode 2: the external broker answers")
    if not fallback:
        return Plan(True, False, 0, f"mqttMode 2: waiting for the external broker ({seen.external_refusal})")
    if missing:
        return Plan(True, False, 0, f"mqttMode 2: waiting for the external broker ({seen.external_refusal})", missing)
    return Plan(False, True, port, f"mqttMode 2, but {seen.external_refusal}: a broker of our own instead{other}")
