"""Why a container cannot be made yet, in words that go into the pod's status."""

from __future__ import annotations

from edgecore.errors import EdgeCoreError


class ConfigProblem(EdgeCoreError):
    """The container's configuration cannot be made (Kubernetes' CreateContainerConfigError). Tried again when something changes."""


class VolumeProblem(EdgeCoreError):
    """A volume cannot be set up; the container stays in ContainerCreating."""
