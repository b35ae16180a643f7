#!/usr/bin/env bash
# Runs the unit tests in a 32-bit Debian (armhf, emulated by qemu-user), on the libraries that the packages run on there: `make test-armhf`.
#
#   tests/armhf/run.sh [PYTEST-ARGUMENTS]      (tests/unit where there are none)
#
# Needs root and a network. SUITE=bookworm|trixie (trixie), ARCH=armhf|arm64|amd64|i386 (armhf). The tree is kept in ~/.cache/bramble/unit by its recipe.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
suite=${SUITE:-trixie}
arch=${ARCH:-armhf}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bramble/unit
say() { printf '[test-%s] %s\n' "$arch" "$*"; }
fail() { printf '[test-%s] %s\n' "$arch" "$*" >&2; exit 1; }

# What the packages need there, and what the tests need.
packages() {
  sed -nE 's/^Depends: //p' "$top/packaging/debian/control" | tr ',' '\n' | sed -E 's/\(.*//; s/\|.*//; s/ //g' | grep '^python3-'
  sed -nE 's/^Recommends: //p' "$top/packaging/debian/control" | tr ',' '\n' | sed -E 's/\(.*//; s/\|.*//; s/ //g' | grep -E '^python3-(asyncio-mqtt|protobuf|snappy)'
  printf '%s\n' base-files base-passwd bash coreutils dash findutils grep sed libc-bin python3 python3-jsonschema python3-nmea2 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-hypothesis tzdata mosquitto openssl procps
}

need() {
  local wanted=()
  command -v mmdebstrap >/dev/null || wanted+=(mmdebstrap)
  foreign && { [ -e /usr/bin/qemu-arm-static ] || wanted+=(qemu-user-static); }
  [ ${#wanted[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}
# An amd64 processor runs i386 by itself.
foreign() { case "$(dpkg --print-architecture)-$arch" in "$arch-$arch" | amd64-i386) return 1 ;; esac; }

# The kernel hands programs of the other architecture to qemu. Nothing is changed where it does so already.
register() {
  local name=qemu-arm
  [ "$arch" = arm64 ] && name=qemu-aarch64
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || fail "this kernel has no binfmt_misc"
  [ -e "/proc/sys/fs/binfmt_misc/$name" ] || cat "/usr/lib/binfmt.d/$name.conf" >/proc/sys/fs/binfmt_misc/register
}

# The mirror of this machine; Debian's own where it names none.
mirror() {
  local found
  found=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
}

# Extracted and not configured: that needs no emulation, and Python asks for no more.
lay_tree() {
  local wanted
  wanted=$(packages | sort -u | paste -sd,)
  tree=$cache/$suite-$arch-$(echo "$wanted" | sha256sum | cut -c1-16)
  [ -d "$tree" ] && return
  say "laying a tree of $suite"
  rm -rf --one-file-system "$tree.unfinished"
  mkdir -p "$cache"
  mmdebstrap --mode=root --variant=extract --architectures="$arch" --include="$wanted" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$tree.unfinished" "$(mirror)" >"$cache/log" 2>&1 \
    || { tail -n 20 "$cache/log" >&2; fail "no tree of $suite for $arch"; }
  cp "$tree.unfinished/usr/share/base-passwd/passwd.master" "$tree.unfinished/etc/passwd"
  cp "$tree.unfinished/usr/share/base-passwd/group.master" "$tree.unfinished/etc/group"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree.unfinished/etc/hosts"
  mkdir -p "$tree.unfinished"/{proc,dev,mnt,tmp,root}
  mv "$tree.unfinished" "$tree"
}

# The checkout as it lies here, what the packages carry, and the entry points of the mappers.
lay_source() {
  mkdir "$work/src" "$work/carried"
  (cd "$top" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done \
    | tar -c --null --files-from=-) | tar -x -C "$work/src"
  python3 -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --only-binary :all: \
    --requirement "$top/packaging/debian/carried.txt" --target "$work/carried"
  rm -rf "$work/carried/bin" "$work/carried"/*.dist-info
  (cd "$work/src" && python3 -c 'import setuptools; setuptools.setup()' -q dist_info --output-dir "$work/carried")
}

[ "$(id -u)" = 0 ] || fail "this needs root"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
need
if foreign; then register; fi
lay_tree
lay_source
[ $# -gt 0 ] || set -- tests/unit
say "$(date +%T) $* in $tree"
# Namespaces of its own: loopback alone, and whatever the tests leave over ends with them.
unshare --mount --pid --net --fork --kill-child --propagation private /bin/bash -c '
  tree=$1 work=$2
  shift 2
  ip link set lo up
  mount -t tmpfs tmpfs "$tree/mnt"
  mkdir "$tree/mnt/src" "$tree/mnt/carried"
  mount --bind "$work/src" "$tree/mnt/src"
  mount --bind "$work/carried" "$tree/mnt/carried"
  mount -t proc proc "$tree/proc"
  mount -t tmpfs tmpfs "$tree/tmp"
  mount --rbind /dev "$tree/dev"
  exec chroot "$tree" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/mnt/carried /bin/sh -c "
    cd /mnt/src
    python3 -c \"import platform, struct, sys; print(\\\"Python\\\", platform.python_version(), platform.machine(), 8 * struct.calcsize(\\\"P\\\"), \\\"bit\\\")\"
    exec python3 -m pytest -p no:cacheprovider -n 4 --hypothesis-profile=brief -m \"not system\" \"\$@\"" sh "$@"' bash "$tree" "$work" "$@"
