"""docs/bad-input.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (TOP / "docs/bad-input.md").read_text())
    assert len(named) > 40
    missing = [f"{file}::{test}" for file, test in named if test and f"def {test}(" not in (TOP / file).read_text()]
    assert missing == []
