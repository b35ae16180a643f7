"""The claims of tests/system/test_examples.py, with the fixtures of this folder: real controllers of Jobs and DaemonSets.

Left out is what Kubernetes 1.20 does not have (sidecars among init containers, Indexed Jobs, CronJobs in batch/v1), and the volume claim
that cloudstub binds.
"""

from __future__ import annotations

from demo.parts import Site
from tests.system.test_examples import *  # noqa: F403
from tests.system.test_examples import PODS, Applied, status

del test_every_example_is_tried  # noqa: F821
del test_containers_share_a_volume_and_a_sidecar_counts_among_them  # noqa: F821
del test_a_claim_is_bound_where_its_pod_went_and_what_was_written_outlives_pod_and_claim  # noqa: F821
del test_a_cron_job_makes_a_job_in_its_minute  # noqa: F821


def test_jobs_come_to_their_end(example: Applied, site: Site) -> None:
    """In place of the claim of that name."""

    def ended(name: str, kind: str) -> bool:
        return any(c["type"] == kind and c["status"] == "True" for c in status(site, "job", name).get("conditions", []))

    documents = (PODS / "job.yaml").read_text().split("---\n")
    example.apply_text("---\n".join(document for document in documents if "completionMode" not in document))
    example.wait("several done", lambda: ended("several", "Complete"))
    example.wait("hopeless given up", lambda: ended("hopeless", "Failed"))
