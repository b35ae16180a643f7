#!/usr/bin/env bash
# Builds the Debian packages of this checkout into dist/, in a folder of its own: `make deb`, or packaging/deb.sh [VERSION].
# Installs what the build needs and this machine lacks. The packages are the same for every architecture (decision 0090).
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '[deb] %s\n' "$*"; }
fail() { printf '[deb] %s\n' "$*" >&2; exit 1; }

need() {
  local wanted=()
  for package in debhelper dh-python dpkg-dev fakeroot lintian python3-pip python3-setuptools python3-wheel; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || wanted+=("$package")
  done
  [ ${#wanted[@]} = 0 ] && return
  say "Debian packages: installing ${wanted[*]}"
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >"$build/apt.log" 2>&1 \
    || { tail -n 20 "$build/apt.log" >&2; fail "apt-get could not install: ${wanted[*]}"; }
}

# What git knows, as it lies here; of a tree without git everything.
copy_source() {
  mkdir "$build/bramble"
  if git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
    # A file that was deleted and not yet committed is listed all the same.
    (cd "$top" && git ls-files -z | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done \
      | tar -c --null --files-from=-) | tar -x -C "$build/bramble"
  else
    tar -c -C "$top" --exclude=./.venv --exclude=./dist . | tar -x -C "$build/bramble"
  fi
  cp -a "$build/bramble/packaging/debian" "$build/bramble/debian"
  cp "$top/packaging/systemd/edgecore.service" "$build/bramble/debian/bramble-edgecore.edgecore.service"
  for kind in service path; do
    cp "$top/packaging/systemd/bramble-update.$kind" "$build/bramble/debian/bramble-edgecore.bramble-update.$kind"
  done
  cp "$top/packaging/systemd/cloudcore.service" "$build/bramble/debian/bramble-cloudcore.cloudcore.service"
  cp "$top/packaging/systemd/edgesite.service" "$build/bramble/debian/bramble-edgesite.edgesite.service"
  cp "$top/packaging/systemd/bramble-mapper@.service" "$build/bramble/debian/bramble-mappers.bramble-mapper@.service"
}

write_changelog() {
  cat >"$build/bramble/debian/changelog" <<END
bramble ($version) unstable; urgency=medium

  * See /usr/share/doc/bramble-common/changelog.gz for what changed.

 -- Bramble maintainers <maintainers@bramble.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
}

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
version=${1:-$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$top/viaduct/__init__.py")}
# The time of the last commit, so that the same source gives the same packages.
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || stat -c %Y "$top/CHANGELOG.md")
export SOURCE_DATE_EPOCH
need
copy_source
write_changelog
(cd "$build/bramble" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >"$build/build.log" 2>&1) \
  || { tail -n 40 "$build/build.log" >&2; fail "the build failed"; }
mkdir -p "$top/dist"
rm -f "$top"/dist/bramble-*.deb
mv "$build"/*.deb "$top/dist/"
lintian --fail-on error,warning --tag-display-limit 0 "$top"/dist/bramble-*.deb || fail "lintian is not content"
for package in "$top"/dist/bramble-*.deb; do say "$(basename "$package") $(du -k "$package" | cut -f1) KB"; done
