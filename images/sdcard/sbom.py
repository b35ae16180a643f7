"""The software bill of materials of an image, as CycloneDX 1.5."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote


def bill(name: str, version: str, status: str, carried: str, *, arch: str, serial: uuid.UUID, epoch: int) -> str:
    """JSON text: every package of ``status`` (dpkg's database), and the Python packages of ``carried`` (lines of a requirements file)."""
    found = [*installed(status, arch), *python_packages(carried)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "operating-system", "name": name, "version": version, "bom-ref": name},
        },
        "components": sorted(found, key=lambda component: str(component["bom-ref"])),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def installed(status: str, arch: str) -> Iterable[dict[str, Any]]:
    """One component for each installed package of dpkg's ``status``."""
    for paragraph in status.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        source, _, rest = fields.get("Source", fields["Package"]).partition(" ")
        vendor = "bramble" if fields["Package"].startswith("bramble-") else "debian"
        purl = f"pkg:deb/{vendor}/{quote(fields['Package'])}@{quote(fields['Version'], safe='')}?arch={fields['Architecture']}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": fields["Package"],
            "version": fields["Version"],
            "purl": purl,
            "supplier": {"name": fields["Maintainer"]},
            "properties": [
                {"name": "debian:source", "value": source},
                {"name": "debian:source-version", "value": rest.strip("()") or fields["Version"]},
                {"name": "bramble:image-arch", "value": arch},
            ],
        }


def python_packages(carried: str) -> Iterable[dict[str, Any]]:
    """What our packages carry beside Debian's: ``name==version --hash=sha256:…`` a line."""
    for name, version, digest in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})", carried, re.MULTILINE):
        purl = f"pkg:pypi/{name.lower()}@{version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
