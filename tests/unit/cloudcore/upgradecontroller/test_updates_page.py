"""docs/updates.md and examples/upgrade.yaml say what there is."""

from __future__ import annotations

from pathlib import Path

import yaml

from cloudcore.kube.definitions import packaged
from cloudcore.upgradecontroller.job import read_plan
from viaduct.upgrades.state import ENDS, State

TOP = Path(__file__).parents[4]
PAGE = (TOP / "docs" / "updates.md").read_text("utf-8")


def test_the_example_is_a_job_and_the_one_on_the_page() -> None:
    text = (TOP / "examples" / "upgrade.yaml").read_text("utf-8")
    job = yaml.safe_load(text)
    assert (read_plan(job).first_batch, read_plan(job).batch) == (1, 10)
    assert yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0]) == job


def test_every_field_and_every_state_is_described() -> None:
    schema = next(one for one in packaged() if one["spec"]["names"]["kind"] == "NodeUpgradeJob")["spec"]["versions"][0]["schema"][
        "openAPIV3Schema"
    ]
    for field in schema["properties"]["spec"]["properties"]:
        assert f"`{field}`" in PAGE, field
    for state in State:
        assert f"`{state}`" in PAGE, state
    assert all(f"| `{state}` |" in PAGE for state in ENDS)
