"""The claims of tests/system/test_examples.py, with the fixtures of this folder: real controllers of Jobs and DaemonSets."""

from __future__ import annotations

from tests.system.test_examples import *  # noqa: F403

del test_every_example_is_tried  # noqa: F821
del test_a_claim_is_bound_where_its_pod_went_and_what_was_written_outlives_pod_and_claim  # noqa: F821  # cloudstub's own provisioner
del test_a_cron_job_makes_a_job_in_its_minute  # noqa: F821  # batch/v1 has CronJobs from Kubernetes 1.21 on
