#!/usr/bin/env bash
# Installs what `make demo` and `make test` need and this machine lacks: Debian packages (with apt, as root or through sudo) and a
# virtual environment in .venv with this checkout's packages. Says what it does; does nothing twice.
#
#   packaging/install.sh demo     the main job's needs
#   packaging/install.sh test     the same and what only tests use
set -euo pipefail

purpose=${1:-demo}
top=$(cd "$(dirname "$0")/.." && pwd)
venv=$top/.venv
say() { printf '[install] %s\n' "$*"; }
fail() { printf '[install] %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif has sudo; then sudo "$@"
  else fail "this needs root: $* (run as root, or install sudo)"; fi
}

# A package is wanted when the program it brings is missing. kubectl may come from elsewhere (Kubernetes' own package clashes with Debian's).
missing_packages() {
  has podman || echo podman
  has mosquitto || [ -x /usr/sbin/mosquitto ] || echo mosquitto
  has kubectl || echo kubernetes-client
  { [ -x /bin/busybox ] && [ "$(dpkg-query -W -f '${Status}' busybox-static 2>/dev/null)" = "install ok installed" ]; } || echo busybox-static
  [ -e /etc/containers/policy.json ] || echo golang-github-containers-common
  { [ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ]; } || echo netavark
  { [ -x /usr/lib/podman/aardvark-dns ] || [ -x /usr/libexec/podman/aardvark-dns ]; } || echo aardvark-dns
  { [ -x /usr/libexec/podman/catatonit ] || [ -x /usr/bin/catatonit ]; } || echo catatonit
  has iptables || [ -x /usr/sbin/iptables ] || echo iptables
  # The netavark of Debian 13 sets its rules with nft.
  has nft || [ -x /usr/sbin/nft ] || echo nftables
  # crun refuses the hybrid cgroup layout; runc works there.
  if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then has runc || [ -x /usr/sbin/runc ] || echo runc; fi
  "$(python)" -c 'import ensurepip, venv' >/dev/null 2>&1 || echo python3-venv
  if [ "$purpose" = test ]; then
    has mosquitto_pub || echo mosquitto-clients
    has socat || echo socat
    has dbus-daemon || echo dbus-daemon
    has mbpoll || echo mbpoll
    has ip || echo iproute2
    has docker-registry || echo docker-registry
    { has cc && [ -e /usr/include/time.h ]; } || echo gcc libc6-dev
  fi
}

python() {
  for candidate in python3 /usr/bin/python3; do
    if has "$candidate" && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"; return
    fi
  done
  echo python3
}

install_packages() {
  local wanted
  wanted=$(missing_packages | sort -u | tr '\n' ' ')
  [ -n "${wanted// /}" ] || { say "Debian packages: all there"; return; }
  has apt-get || fail "missing: $wanted (this script installs with apt-get; install them by hand and run it again)"
  say "Debian packages: installing $wanted"
  as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >/dev/null 2>&1 || true
  as_root apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >"$log" 2>&1 \
    || { tail -n 20 "$log" >&2; fail "apt-get could not install: $wanted"; }
  case " $wanted " in *" docker-registry "*) quiet_registry ;; esac
}

# Tests run registries of their own; the service that comes with the package listens on every address and is wanted by nobody.
quiet_registry() {
  if [ -d /run/systemd/system ]; then as_root systemctl disable --now docker-registry >/dev/null 2>&1 || true; fi
}

# The stamp holds what was asked for, so a change of setup.cfg or another purpose installs again.
install_python() {
  local extras=edge,mappers,cloud,sinks stamp
  [ "$purpose" = test ] && extras=$extras,dev
  stamp=$(cat "$top/setup.cfg" "$top/pyproject.toml" | cksum | tr ' ' -)
  if [ -x "$venv/bin/python" ] && grep -qx "$stamp" "$venv/.installed-$purpose" 2>/dev/null; then
    say "Python packages: all there"; return
  fi
  say "Python packages: installing into .venv ($extras)"
  [ -x "$venv/bin/python" ] || "$(python)" -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -U 'setuptools>=66' wheel >"$log" 2>&1 \
    && "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-build-isolation -e "$top[$extras]" >>"$log" 2>&1 \
    || { tail -n 20 "$log" >&2; fail "pip could not install the Python packages"; }
  echo "$stamp" >"$venv/.installed-$purpose"
  [ "$purpose" = test ] && cp "$venv/.installed-$purpose" "$venv/.installed-demo"
  return 0
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_packages
install_python
