#!/usr/bin/env bash
# Installs the packages of dist/ in fresh Debian trees, boots systemd in them, joins a board to a site, upgrades and purges: `make test-deb`.
#
#   tests/packages/run.sh [SUITE...]     (bookworm and trixie where none is named)
#
# Needs root. Everything runs in namespaces of its own that end with it; the trees are removed. TREES=DIR takes a tree from DIR/SUITE
# (as debootstrap --variant=minbase leaves it) instead of fetching one; PACKAGES=DIR takes the packages from DIR/now and DIR/next instead of building them.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/group.sh"
say() { printf '[test-deb] %s\n' "$*"; }
fail() { printf '[test-deb] %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this needs root"
command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null

# The mirror of this machine; Debian's own where it names none.
mirror() {
  local found
  found=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
}

# Debian 12 has no aiohttp that a site or CloudCore could use (decision 0090).
packages_for() {
  if [ "$1" = bookworm ]; then echo common edgecore mappers
  else echo common edgecore mappers cloudcore edgesite; fi
}

lay_tree() {
  if [ -n "${TREES:-}" ]; then cp -a "$TREES/$1" "$work/$1"
  else debootstrap --variant=minbase "$1" "$work/$1" "$(mirror)" >"$work/$1.log" 2>&1 || { tail -n 20 "$work/$1.log" >&2; fail "no tree of $1"; }; fi
  cp -L /etc/resolv.conf "$work/$1/etc/resolv.conf"
  mkdir -p "$work/$1/packages/next"
  for package in $(packages_for "$1"); do
    cp "$work/now/bramble-${package}_"*.deb "$work/$1/packages/"
    cp "$work/next/bramble-${package}_"*.deb "$work/$1/packages/next/"
  done
  cp "$here/before_boot.sh" "$here/booted.sh" "$here/claims.sh" "$here/sinks.py" "$top/examples/rule.yaml" "$work/$1/packages/"
}

# With the network, without systemd: what a package brings, and what its purge leaves.
before_boot() {
  unshare --mount --pid --fork --kill-child sh -c '
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    exec chroot "$1" /bin/bash /packages/before_boot.sh' sh "$1"
}

# Without a network, with systemd: services. The verdict is a file that the guest writes before it powers itself off.
booted() {
  local tree=$1
  cat >"$tree/etc/systemd/system/claims.service" <<END
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /packages/booted.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=append:/packages/out
StandardError=append:/packages/out
TimeoutStartSec=1800
END
  mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
  ln -sf ../claims.service "$tree/etc/systemd/system/multi-user.target.wants/claims.service"
  ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
  echo board1 >"$tree/etc/hostname"
  : >"$tree/packages/out"
  timeout 1900 unshare --mount --uts --ipc --pid --net --fork --kill-child /bin/bash "$here/boot.sh" "$tree" >"$tree.console" 2>&1 || true
  remove_group "$tree"
  cat "$tree/packages/out"
  grep -q '^every claim holds$' "$tree/packages/out" || { tail -n 20 "$tree.console" >&2; return 1; }
}

# Two versions that differ in their numbers alone.
build_packages() {
  mkdir "$work/now" "$work/next"
  if [ -n "${PACKAGES:-}" ]; then cp "$PACKAGES"/now/*.deb "$work/now/"; cp "$PACKAGES"/next/*.deb "$work/next/"; return; fi
  local version
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$top/viaduct/__init__.py")
  "$top/packaging/deb.sh" "$version+next" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "the packages could not be built"; }
  cp "$top"/dist/bramble-*.deb "$work/next/"
  "$top/packaging/deb.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "the packages could not be built"; }
  cp "$top"/dist/bramble-*.deb "$work/now/"
}

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
build_packages
[ $# -gt 0 ] || set -- bookworm trixie
for suite in "$@"; do
  say "$suite: $(date +%T) laying a tree"
  lay_tree "$suite"
  before_boot "$work/$suite" || fail "$suite: not everything holds before the boot"
  booted "$work/$suite" || fail "$suite: not everything holds under systemd"
  say "$suite: $(date +%T) every claim holds"
  rm -rf --one-file-system "${work:?}/$suite"
done
