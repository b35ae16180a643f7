#!/usr/bin/env bash
# The built images in real Podman, and the Helm chart by a real helm: `make test-containers`.
#
#   tests/containers/run.sh [PYTEST ARGUMENT...]
#
# Needs root and, the first time, the network. Images are built where dist/ has none of this version. Podman keeps everything in a folder of its own,
# which ends with the tests; no image, container or network of this machine is touched.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
say() { printf '[test-containers] %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "this needs root" >&2; exit 1; }
cd "$top"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' viaduct/__init__.py)
own=$(dpkg --print-architecture)
for image in cloudcore edgesite mappers; do
  if [ ! -e "dist/bramble-${image}_${version}_$own.oci.tar" ]; then say "building what dist/ lacks"; packaging/containers/build.sh; break; fi
done
HELM=$(.venv/bin/python -m tests.containers.helm)
export HELM IMAGES=$top/dist
exec .venv/bin/python -m pytest -v --timeout 600 --durations=5 tests/containers "$@"
