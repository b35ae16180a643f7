"""EdgeCore's errors: one tree. Doors convert their library's errors into these; loops catch them."""

from __future__ import annotations


class EdgeCoreError(Exception):
    """Root of everything that EdgeCore raises itself."""


class ConfigError(EdgeCoreError):
    """A setting that cannot be used; each problem begins with its full key. The process ends with code 2."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Busy(EdgeCoreError):
    """A mailbox had no room within the time limit."""


class NoAnswer(EdgeCoreError):
    """A question to another module or to the cloud was not answered in time, or nobody can be asked now."""


class NotFound(EdgeCoreError):
    """The object asked for exists neither here nor, as far as we can know, in the cloud."""


class StoreError(EdgeCoreError):
    """The database refused; nothing of the write took effect."""


class StoreFull(StoreError):
    """The disk is full or read-only."""


class LinkError(EdgeCoreError):
    """The connection to the cloud could not be made or broke."""


class LinkRefused(LinkError):
    """The cloud answered and does not want this node; asking again at once is of no use."""


class CloudOutOfDate(LinkError):
    """The cloud's certificate is out of date by the time that this board believes in: a signed time may help."""


class NodeOutOfDate(LinkRefused):
    """This node's certificate is out of date, says the cloud: renew it."""


class BrokerError(EdgeCoreError):
    """The MQTT broker could not be reached or refused."""


class EngineError(EdgeCoreError):
    """The container engine failed; the text says at what."""


class EngineUnreachable(EngineError):
    """The container engine does not answer on its socket."""


class ContainerLost(EngineError):
    """The engine lists the container and its storage lost it (a power cut, a removal that ended half-way): it can only be removed."""


class NotRunning(EngineError):
    """The container that is meant does not run now."""


class NobodyListens(EngineError):
    """A port in a pod takes no connection."""


class ExecTimeout(EngineError):
    """A command in a container did not end in time; it was killed."""


class ImageMissing(EngineError):
    """The image is not on this node."""


class ImagePullError(EngineError):
    """An image could not be fetched."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(f"{image}: {reason}")
        self.image = image
        self.reason = reason


class IdentityError(EdgeCoreError):
    """Enrolment, renewal or the certificate files failed; the text says what may help."""


class PairingError(EdgeCoreError):
    """Sites cannot be looked for; the text says what may help."""


class FirstBootError(EdgeCoreError):
    """What the card says could not be read, or not be done; the text says what may help."""


class UpdateError(EdgeCoreError):
    """A step of an update could not be done; the text says which and why."""
