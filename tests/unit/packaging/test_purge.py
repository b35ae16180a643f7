"""What the package's removal script does with what pods left, without touching this machine: its functions alone, over stand-ins."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edgecore.containers import labels

POSTRM = Path(__file__).parent.parent.parent.parent / "packaging" / "debian" / "bramble-edgecore.postrm"
PODMAN = """#!/bin/sh
echo "podman $*" >>"$(dirname "$0")/calls"
case "$1 $2" in "pod ps") echo pod1 ;; "ps -aq") echo alone1; echo alone2 ;; esac
"""


def test_a_purge_ends_pods_of_one_container_too_and_takes_the_routes(tmp_path: Path) -> None:
    for name, text in {"podman": PODMAN, "ip": '#!/bin/sh\necho "ip $*" >>"$(dirname "$0")/calls"\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    functions = POSTRM.read_text().partition('if [ "$1" = purge ]')[0]
    path = f"{tmp_path}:/usr/bin:/bin"
    subprocess.run(["sh", "-c", f"{functions}\nend_pods\nremove_routes"], check=True, env={"PATH": path})
    ours = f"label={labels.INSTANCE}={labels.instance_of('/var/lib/bramble/edged')}"
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"podman pod ps -q --filter {ours}",
        "podman pod rm -f pod1",
        f"podman ps -aq --filter {ours}",
        "podman rm -f -v alone1",
        "podman rm -f -v alone2",
        "ip route flush table local proto 66",
    ]
