"""docs/doctor.md tells of every check what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from edgecore.diag.parts import PARTS
from edgecore.doctor.catalog import CHECKS

PAGE = (Path(__file__).parents[2] / "docs/doctor.md").read_text()


def test_the_table_of_checks_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    said = [tuple(cell.strip() for cell in row) for row in rows]
    assert said == [(check.id, check.title, check.why, check.repairs, "yes" if check.root else "") for check in CHECKS]


def test_every_group_has_its_heading() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(dict.fromkeys(str(check.group) for check in CHECKS))


def test_every_part_of_a_bundle_is_named() -> None:
    assert [part.name for part in PARTS if f"`{part.name}`" not in PAGE and not part.name.startswith("logs/")] == []


def test_every_check_that_a_text_sends_to_is_there() -> None:
    """``see clock-source`` in a verdict."""
    known = {check.id for check in CHECKS}
    sources = (Path(__file__).parents[2] / "edgecore/doctor/checks").glob("*.py")
    named = {name for source in sources for name in re.findall(r"\bsee ([a-z]+(?:-[a-z]+)*)\b", source.read_text(), re.IGNORECASE)}
    assert named - known <= {"why", "modules"}
