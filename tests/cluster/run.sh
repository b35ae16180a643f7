#!/usr/bin/env bash
# CloudCore and a board at a real Kubernetes API server: `make test-cluster`.
#
#   tests/cluster/run.sh [PYTEST ARGUMENT...]
#
# Needs root, the network and, the first time, some minutes for building the control plane (build.sh). Everything listens on loopback; every process
# ends with it, and nothing but the built programs stays. KEEP=1 keeps the folder with the logs. Every wait ends with its condition; PATIENCE=4
# is how many times its usual limit it may last, on a machine that does other work too.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "[test-cluster] this needs root" >&2; exit 1; }
KUBERNETES_PROGRAMS=$("$here/build.sh")
export KUBERNETES_PROGRAMS PATIENCE="${PATIENCE:-4}"
cd "$here/../.."
# Where there is none for this machine the tests of the chart are skipped.
HELM=$(.venv/bin/python -m tests.containers.helm) || HELM=
export HELM
exec .venv/bin/python -m pytest -v --timeout 1200 --durations=5 tests/cluster "$@"
