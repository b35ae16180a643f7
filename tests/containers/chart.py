"""The chart through a real helm."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from demo.stage import Failed

TOP = Path(__file__).parents[2]
CHART = TOP / "packaging" / "helm" / "bramble"


def helm(*words: str | Path, values: dict[str, Any] | None = None) -> str:
    """What ``helm WORDS`` prints; ``values`` go in by standard input.

    Raises:
        Failed: helm refused; with what it said.
    """
    command = [os.environ["HELM"], *map(str, words), *(["--values", "-"] if values is not None else [])]
    done = subprocess.run(
        command, input=yaml.safe_dump(values) if values is not None else None, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout


def render(
    values: dict[str, Any] | None = None, *, namespace: str = "kubeedge", chart: Path = CHART, kubernetes: str = ""
) -> list[dict[str, Any]]:
    """The objects of ``helm template`` with ``values`` over the chart's own; ``kubernetes``: for which version, else helm's own."""
    version = ("--kube-version", kubernetes) if kubernetes else ()
    text = helm("template", "bramble", chart, "--namespace", namespace, *version, values=values or {})
    return [one for one in yaml.safe_load_all(text) if one]


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]
