"""What a NodeUpgradeJob asks of a node (P9.2): from the object, as JSON has it, to a value, or to what is wrong with it.

Every text here ends as an argument of a program or as an address. So each has a grammar that is narrower than what those programs take:
nothing that begins with a dash, no spaces, no quotes, no paths. No shell ever sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viaduct.errors import MalformedPayload

GROUP = "operations.kubeedge.io"
API_VERSION = f"{GROUP}/v1alpha1"
KIND = "NodeUpgradeJob"

DEFAULT_TIMEOUT = 300
TIMEOUTS = (60, 86_400)
CHECKS = ("cpu", "mem", "disk")
TOOLS = ("apt", "deb")
MOST_PACKAGES = 16

_VERSION = re.compile(r"(?:[0-9]{1,5}:)?[0-9][A-Za-z0-9.+~]{0,99}(?:-[A-Za-z0-9.+~]{1,60})*")
_URL = re.compile(r"https?://[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]{0,252}/[A-Za-z0-9._~%+:@=/-]{0,1000}\.deb")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package at ``url``, whose bytes have this ``sha256`` (hexadecimal)."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Task:
    """``packages``: empty where apt is to find them. ``timeout``: seconds within which all must be well after the exchange. ``checks``:
    what is looked at beforehand beside the disk."""

    version: str
    packages: tuple[Package, ...] = ()
    timeout: int = DEFAULT_TIMEOUT
    checks: tuple[str, ...] = ()


def is_version(text: Any) -> bool:
    """Whether it is the version of a Debian package (Policy 5.6.12), without what no version of ours has."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def read_task(obj: Any) -> Task:
    """The task that the ``spec`` of an object says.

    Raises:
        MalformedPayload: and nothing else, whatever ``obj`` is; it names the field.
    """
    spec = obj.get("spec") if isinstance(obj, dict) else None
    if not isinstance(spec, dict):
        raise MalformedPayload("spec", "expected an object with `version`")
    version = spec.get("version")
    if not is_version(version):
        raise MalformedPayload("spec.version", f"expected the version of a Debian package, such as 0.2.0, got {str(version)[:80]!r}")
    packages = _packages(spec)
    return Task(str(version), packages, _timeout(spec), _checks(spec))


def task_spec(task: Task) -> dict[str, Any]:
    """The ``spec`` of what goes down to a node: only what the node needs (P9.2)."""
    spec: dict[str, Any] = {"version": task.version, "timeoutSeconds": task.timeout}
    if task.checks:
        spec["checkItems"] = list(task.checks)
    if task.packages:
        spec["upgradeTool"] = "deb"
        spec["packages"] = [{"url": package.url, "sha256": package.sha256} for package in task.packages]
    return spec


def _packages(spec: Mapping[str, Any]) -> tuple[Package, ...]:
    tool, value = spec.get("upgradeTool") or "apt", spec.get("packages")
    if tool not in TOOLS:
        raise MalformedPayload("spec.upgradeTool", f"expected one of {', '.join(TOOLS)}, got {str(tool)[:40]!r}")
    if tool == "apt":
        if value:
            raise MalformedPayload("spec.packages", "only with upgradeTool: deb")
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MOST_PACKAGES:
        raise MalformedPayload("spec.packages", f"expected a list of 1 to {MOST_PACKAGES} of {{url, sha256}}")
    return tuple(_package(entry, f"spec.packages[{index}]") for index, entry in enumerate(value))


def _package(entry: Any, field: str) -> Package:
    url, digest = (entry.get("url"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise MalformedPayload(f"{field}.url", f"expected https://HOST/…deb, got {str(url)[:80]!r}")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise MalformedPayload(f"{field}.sha256", "expected 64 hexadecimal digits in small letters")
    return Package(url, digest)


def _timeout(spec: Mapping[str, Any]) -> int:
    value = spec.get("timeoutSeconds") or DEFAULT_TIMEOUT
    if type(value) is not int or not TIMEOUTS[0] <= value <= TIMEOUTS[1]:
        raise MalformedPayload("spec.timeoutSeconds", f"expected {TIMEOUTS[0]} to {TIMEOUTS[1]}, or nothing for {DEFAULT_TIMEOUT}")
    return value


def _checks(spec: Mapping[str, Any]) -> tuple[str, ...]:
    value = spec.get("checkItems") or []
    if not isinstance(value, list) or any(item not in CHECKS for item in value):
        raise MalformedPayload("spec.checkItems", f"expected some of {', '.join(CHECKS)}")
    return tuple(item for item in CHECKS if item in value)
