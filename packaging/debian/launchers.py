"""Writes the programs of /usr/bin from the entry points of setup.cfg. Arguments: setup.cfg, folder."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

LAUNCHER = """#!/usr/bin/python3 -I
import sys

sys.path[:0] = ["/usr/lib/bramble", "/usr/lib/bramble/carried"]

from {module} import {function}

sys.exit({function}())
"""


def main() -> None:
    settings, folder = Path(sys.argv[1]), Path(sys.argv[2])
    parser = configparser.ConfigParser()
    parser.read(settings)
    folder.mkdir(parents=True, exist_ok=True)
    for line in parser["options.entry_points"]["console_scripts"].split("\n"):
        if not line:
            continue
        name, _, target = line.partition(" = ")
        module, _, function = target.partition(":")
        program = folder / name
        program.write_text(LAUNCHER.format(module=module, function=function))
        program.chmod(0o755)


if __name__ == "__main__":
    main()
