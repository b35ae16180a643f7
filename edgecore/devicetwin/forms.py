"""In which of KubeEdge's two topic forms a device is spoken about (P6.8; docs/decisions/0080).

An address is what stands between ``$hw/events/device/`` and the rest of a topic: ``D``, or ``NS/D`` as KubeEdge 1.16 and later have it.
"""

from __future__ import annotations

PLAIN, NAMESPACED, BOTH = "plain", "namespaced", "both"


class Forms:
    """Answers go where the question came from and need none of this; it is for what nobody asked for, such as a delta.

    The board is not told which namespace a device has, so the one that its mapper names counts; before it has spoken, ``namespace``.
    """

    def __init__(self, form: str = PLAIN, namespace: str = "default") -> None:
        self._form = form
        self._namespace = namespace
        self._heard: dict[str, str] = {}

    def hear(self, device: str, namespace: str) -> None:
        """Somebody spoke about ``device``, a known one; ``namespace`` empty: in the plain form. Once named a namespace stays."""
        if namespace or device not in self._heard:
            self._heard[device] = namespace

    def forget(self, device: str) -> None:
        self._heard.pop(device, None)

    def addresses(self, device: str) -> tuple[str, ...]:
        if self._form == PLAIN:
            return (device,)
        namespace = self._heard.get(device, self._namespace)
        if self._form == NAMESPACED:
            return (f"{namespace or self._namespace}/{device}",)
        return (device, f"{namespace}/{device}") if namespace else (device,)
