"""The Kubernetes API of a site for tests that need more than kubectl: many writes a second, watches."""

from __future__ import annotations

import base64
import ssl

import aiohttp
import yaml

from demo.parts import Site


def api_session(site: Site) -> aiohttp.ClientSession:
    """As the administrator whom the site's kubeconfig names. To be made inside the event loop that uses it."""
    config = yaml.safe_load(site.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return aiohttp.ClientSession(
        cluster["server"],
        headers={"Authorization": f"Bearer {user['token']}"},
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority), limit=0),
        read_bufsize=2**20,
    )
