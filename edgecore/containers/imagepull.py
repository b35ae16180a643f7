"""Podman's pull with its progress: the Docker-compatible endpoint, since libpod's own says nothing while a layer comes.

Layers that have come stay, also when the pull fails. Within a layer Podman goes on after a cut where the registry can (Range), while the
call lasts.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from edgecore.containers.progress import Fetched, Layers
from edgecore.containers.unixhttp import UnixConnection
from edgecore.errors import ImagePullError

SILENCE = 900.0
"""Seconds without a report that are borne while no layer is under way: a big one is unpacked onto a slow card, a registry is looked for."""

_PATH = "/v4.0.0/images/create"
_LONGEST_LINE = 64 * 1024


def fetch(socket: str, name: str, *, credentials: str, stall: float, heard: Callable[[Fetched], object]) -> None:
    """Until the image is here. ``stall``: seconds for which a layer may stand still; ``heard`` is called at news.

    Raises:
        ImagePullError: refused, unknown, standing still, or the engine went away.
    """
    connection = UnixConnection(socket, timeout=SILENCE)
    headers = {"X-Registry-Auth": credentials} if credentials else {}
    layers, error = Layers(), ""
    try:
        connection.request("POST", f"{_PATH}?{urlencode({'fromImage': name})}", headers=headers)
        opened = connection.sock  # forgotten by the connection where the answer ends with it
        answer = connection.getresponse()
        for report in _reports(answer):
            error = str(report.get("error") or report.get("message") or error)
            layers.hear(report)
            opened.settimeout(stall if layers.under_way else SILENCE)
            heard(layers.fetched)
    except TimeoutError as exc:
        raise ImagePullError(name, f"nothing came for {stall if layers.under_way else SILENCE:g} s") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ImagePullError(name, f"the container engine went away: {exc}") from exc
    finally:
        connection.close()  # which ends a pull that goes on
    if error:
        raise ImagePullError(name, error)


def _reports(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    while line := answer.readline(_LONGEST_LINE):
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict):
            yield report
