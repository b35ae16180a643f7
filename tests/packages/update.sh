#!/usr/bin/env bash
# Updates of Bramble with real dpkg, apt and systemd in a fresh Debian tree: `make test-update`.
#
#   tests/packages/update.sh [SUITE]     (trixie where none is named)
#   PARTS=cuts CUTS='broken:7.5 next:3' tests/packages/update.sh
#
# From a NodeUpgradeJob to another version, to one that does not run and back; by hand; with the updater killed, and the whole tree (every process
# at once, as by a power cut of which the disk remembers all) CUTS times (6). PARTS names some of cloud, hand and cuts; CUTS may name each cut as
# TARGET:SECONDS after the order, as the output does. Needs root. What runs is in namespaces of its own that end with it.
# TREES=DIR takes the tree from DIR/SUITE instead of fetching one, DEBS=DIR packages that are built already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/group.sh"
suite=${1:-trixie}
cuts=${CUTS:-6}
parts=${PARTS:-cloud hand cuts}
say() { printf '[test-update] %s %s\n' "$(date +%T)" "$*"; }
fail() { printf '[test-update] %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this needs root"
command -v debootstrap >/dev/null && command -v dpkg-scanpackages >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap dpkg-dev >/dev/null

mirror() {
  local found
  found=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
}

# Another version of a package, changed by a command that runs in its unpacked tree.
repack() {
  local deb=$1 into=$2 suffix=$3 change=$4
  rm -rf "$work/unpacked"
  dpkg-deb -R "$deb" "$work/unpacked"
  sed -i -E "s/^(Version: .*)/\1$suffix/; s/\(= ([^)]*)\)/(= \1$suffix)/g" "$work/unpacked/DEBIAN/control"
  (cd "$work/unpacked" && $change)
  mkdir -p "$into"
  dpkg-deb --root-owner-group -Zgzip -b "$work/unpacked" "$into" >/dev/null
}
unchanged() { :; }
# EdgeCore that ends at once.
breaks() { if [ -e usr/bin/edgecore ]; then printf '#!/usr/bin/python3\nimport sys\nsys.exit("this version is broken")\n' >usr/bin/edgecore; fi; }
# EdgeCore that never says that it runs: systemd, and dpkg with it, wait for that.
hangs() { if [ -e usr/bin/edgecore ]; then printf '#!/usr/bin/python3\nimport time\ntime.sleep(100000)\n' >usr/bin/edgecore; fi; }

# Debian 12 has no aiohttp that a site could use (decision 0090).
has_part() { case " $parts " in *" $1 "*) [ "$1" != cloud ] || [ "$suite" != bookworm ] ;; *) return 1 ;; esac; }
packages() { if has_part cloud; then echo common edgecore cloudcore edgesite; else echo common edgecore; fi; }

lay_packages() {
  if [ -n "${DEBS:-}" ]; then cp "$DEBS"/bramble-*.deb "$work/built/"
  else
    "$top/packaging/deb.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "the packages could not be built"; }
    cp "$top"/dist/bramble-*.deb "$work/built/"
  fi
  local deb
  for package in $(packages); do
    deb=$(echo "$work/built/bramble-${package}_"*.deb)
    mkdir -p "$tree/packages/now"
    cp "$deb" "$tree/packages/now/"
    repack "$deb" "$tree/packages/next" +next unchanged
    repack "$deb" "$tree/packages/broken" +zbroken breaks
    repack "$deb" "$tree/packages/hangs" +zhangs hangs
  done
  # What apt knows: all but the last, in an archive on the disk.
  mkdir -p "$tree/packages/archive"
  cp "$tree"/packages/{now,next,broken}/*.deb "$tree/packages/archive/"
  (cd "$tree/packages/archive" && dpkg-scanpackages --multiversion . >Packages 2>"$work/scan.log") || { cat "$work/scan.log" >&2; fail "no archive"; }
}

lay_tree() {
  if [ -n "${TREES:-}" ]; then cp -a "$TREES/$suite" "$tree"
  else debootstrap --variant=minbase "$suite" "$tree" "$(mirror)" >"$tree.log" 2>&1 || { tail -n 20 "$tree.log" >&2; fail "no tree of $suite"; }; fi
  cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
  mkdir -p "$tree/packages"
  cp "$here/claims.sh" "$here/update_board.sh" "$tree/packages/"
}

install_first() {
  unshare --mount --pid --fork --kill-child sh -c '
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    exec chroot "$1" /bin/bash -c ". /packages/update_board.sh; install_first"' sh "$tree"
}

# Boots the tree, in which the function $1 of update_board.sh runs as a service; ends with the tree, or after $2 seconds.
begin() {
  cat >"$tree/etc/systemd/system/claims.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c '. /packages/update_board.sh; $1'
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=append:/packages/out
StandardError=append:/packages/out
TimeoutStartSec=infinity
END
  mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
  ln -sf ../claims.service "$tree/etc/systemd/system/multi-user.target.wants/claims.service"
  ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
  echo board1 >"$tree/etc/hostname"
  : >"$tree/packages/out"
  rm -f "$tree/packages/placed"
  timeout "$2" unshare --mount --uts --ipc --pid --net --fork --kill-child /bin/bash "$here/boot.sh" "$tree" >"$tree.console" 2>&1 &
  booted=$!
}

finish() {
  wait "$booted" || true
  cat "$tree/packages/out"
  grep -q '^every claim holds$' "$tree/packages/out" || { tail -n 20 "$tree.console" >&2; fail "$1"; }
}

# What runs in the tree ends with its first process.
kill_all() {
  kill -KILL "$(pgrep -P "$(pgrep -P "$booted" -x unshare)" | head -n 1)"
  wait "$booted" || true
}

clean_up() {
  if [ -n "$booted" ] && kill -0 "$booted" 2>/dev/null; then kill_all; fi
  remove_group "$tree" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}

# The board gives itself an order and says so; then every process of the tree dies at once.
cut() {
  local end=$((SECONDS + 2400))
  begin "settle_and_begin $1 $2" 2700
  until [ -e "$tree/packages/placed" ]; do
    [ $SECONDS -lt $end ] || { cat "$tree/packages/out"; fail "the board did not come to an order"; }
    kill -0 "$booted" 2>/dev/null || { cat "$tree/packages/out"; fail "before cut $1 not everything holds"; }
    sleep 0.1
  done
  sleep "$3"
  kill_all
  grep -v '^every claim' "$tree/packages/out" || true
  say "cut $1 ($2:$3) in the step $(sed -nE 's/.*"step": "([a-z]+)".*/\1/p' "$tree/var/lib/bramble/updates/journal.json" 2>/dev/null || true)"
}

# TARGET:SECONDS of each cut. To a version that does not run it goes on until the board has gone back, and the first is before the exchange.
each_cut() {
  local number target until
  case "$cuts" in *:*) echo "$cuts"; return ;; esac
  for number in $(seq 1 "$cuts"); do
    case $((RANDOM % 2)) in 0) target=broken until=75 ;; *) target=next until=30 ;; esac
    if [ "$number" = 1 ]; then target=broken until=1; fi
    echo "$target:$((RANDOM % until)).$((RANDOM % 10))"
  done
}

work=$(mktemp -d)
tree=$work/$suite
booted=
trap clean_up EXIT
mkdir "$work/built"
say "$suite: laying a tree"
lay_tree
lay_packages
install_first || fail "the packages could not be installed"
if has_part cloud; then
  say "from the cloud"
  begin from_the_cloud 5400
  finish "not everything holds with a NodeUpgradeJob"
fi
if has_part hand; then
  say "by hand"
  begin by_hand 5400
  finish "not everything holds by hand"
fi
if has_part cuts; then
  begin before_cuts 1800
  finish "the board could not be made ready for the cuts"
  number=0
  for one in $(each_cut); do
    number=$((number + 1))
    cut "$number" "${one%:*}" "${one#*:}"
  done
  begin settled 2700
  finish "not everything holds after the last cut"
fi
say "$suite: every claim holds ($parts, cuts: $cuts)"
