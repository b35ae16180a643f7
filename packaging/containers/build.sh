#!/usr/bin/env bash
# Builds the container images of this checkout into dist/ as OCI archives, without a registry and without running anything foreign:
# `make containers`, or packaging/containers/build.sh [IMAGE...] (cloudcore, edgesite, mappers; all where none is named).
#
#   ARCHES="amd64 arm64 armhf"   the architectures, in Debian's names (this machine's own where none is named); of several an index is made too
#   DEBS=DIR                     Bramble's own packages from there (packaging/deb.sh builds them into dist/ where no folder is named)
#   MIRROR=URL                   another archive of Debian, such as one of a day gone by: the same packages give the same images
#
# An image is Debian's Python with the libraries that the Debian packages of Bramble depend on, and these packages' files (decision 0155).
set -euo pipefail

SUITE=trixie
PYTHON=3.13
EPOCH_OF_NO_COMMIT=0
# What only serves installing, or a person at a prompt; nothing of it is asked for at run time.
LEFT_OUT='debconf|dpkg|tar|mawk|gawk|original-awk|openssl|libacl1|libselinux1|libpcre2-8-0|libmd0|adduser|passwd|systemd|systemd-standalone-sysusers'
USER_ID=65532
# Of Debian's part. A fixed one, or every commit would make another layer of the same files; the earliest that archives of every kind can hold.
DEBIANS_TIME=315532800

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
say() { printf '[containers] %s\n' "$*"; }
fail() { printf '[containers] %s\n' "$*" >&2; exit 1; }

need() {
  local wanted=() keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  command -v podman >/dev/null || wanted+=(podman)
  [ -e /etc/containers/policy.json ] || wanted+=(golang-github-containers-common)
  [ -e "$keyring" ] || wanted+=(debian-archive-keyring)
  python3 -m pip --version >/dev/null 2>&1 || wanted+=(python3-pip)
  [ ${#wanted[@]} = 0 ] && return
  say "Debian packages: installing ${wanted[*]}"
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >"$work/apt.log" 2>&1 \
    || { tail -n 20 "$work/apt.log" >&2; fail "apt-get could not install: ${wanted[*]}"; }
}

# Bramble's packages in an image, and what it has beside their dependencies.
packages_of() {
  case $1 in
    cloudcore) echo common cloudcore ;;
    edgesite) echo common cloudcore edgesite ;;
    mappers) echo common mappers ;;
    *) fail "no image is called $1: cloudcore, edgesite, mappers" ;;
  esac
}

beside() {
  echo base-files ca-certificates netbase
  # For aiomqtt.
  [ "$1" = mappers ] || echo python3-paho-mqtt
  # Debian has RPi.GPIO for boards alone.
  [ "$1" != mappers ] || [ "$2" = amd64 ] || echo python3-rpi.gpio
}

# Wheels that Debian has not, or not in a version that works. dbus-fast, which Bluetooth needs, has none for armhf.
wheels_of() {
  case $1/$2 in
    mappers/armhf) ;;
    mappers/*) echo "$here/bluetooth.txt" ;;
    *) echo "$here/sinks.txt" ;;
  esac
}

platform_of() { case $1 in amd64) echo linux/amd64 ;; arm64) echo linux/arm64 ;; armhf) echo linux/arm/v7 ;; *) fail "no such architecture: $1" ;; esac; }
machine_of() { case $1 in amd64) echo x86_64 ;; arm64) echo aarch64 ;; armhf) echo armv7l ;; esac; }

# The first of each choice of the packages' dependencies.
dependencies() {
  local package
  for package in $(packages_of "$1"); do
    sed -n "/^Package: bramble-$package\$/,/^\$/s/^Depends: //p" "$top/packaging/debian/control"
  done | tr ',' '\n' | sed 's/|.*//; s/(.*)//; s/ //g' | grep -vE '^(\$.*|bramble-.*)$' | grep -vxE "$LEFT_OUT" | sort -u
}

# apt with lists and a cache of its own and an empty list of what is installed; nothing of this machine's changes.
lay_apt() {
  local arch=$1 folder=$work/apt-$1 archive security
  archive=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(SUITE)' 'Created-By: Packages' | sed -nE '/debian-security|-(updates|backports) *$/d; s/^([^ ]*debian[^ ]*) .*/\1/p' | head -n 1)}
  security=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 debian-security || true)
  mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial
  {
    echo "deb ${archive:-http://deb.debian.org/debian/} $SUITE main"
    [ -n "${MIRROR:-}" ] || echo "deb ${security:-http://deb.debian.org/debian-security/} $SUITE-security main"
  } | sed 's|^deb |deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |' >"$folder/sources.list"
  cat >"$folder/apt.conf" <<END
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$folder/lists";
Dir::State::status "/dev/null";
Dir::Cache "$folder/cache";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
END
  APT_CONFIG=$folder/apt.conf apt-get update -qq -o Acquire::Retries=3 || fail "no lists of $SUITE for $arch"
}

# lay_debian ARCH TREE PACKAGE...: the packages and what they depend on, unpacked; none of their scripts runs.
lay_debian() {
  local arch=$1 tree=$2 archives=$work/apt-$1/cache/archives files file name
  local -x APT_CONFIG=$work/apt-$1/apt.conf
  shift 2
  # Those that are at hand already are not in the list of what is fetched, so the list is made with an empty cache.
  files=$(apt-get install -qq --print-uris -o Dir::Cache::archives="$work" "$@" | cut -d ' ' -f 2) || fail "apt-get finds no way for $arch: $*"
  apt-get install -y -qq --download-only "$@" >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; fail "apt-get could not fetch for $arch: $*"; }
  mkdir -p "$tree/var/lib/dpkg/status.d"
  # The links /bin, /lib and /sbin come with base-files and must be there before anything is unpacked through them.
  for file in $(grep '^base-files_' <<<"$files") $files; do
    name=${file%%_*}
    if grep -qxE "$LEFT_OUT" <<<"$name"; then continue; fi
    dpkg-deb --fsys-tarfile "$archives/$file" | tar -x --no-same-owner --keep-directory-symlink -C "$tree"
    # What scanners of images read where there is no dpkg.
    dpkg-deb --field "$archives/$file" >"$tree/var/lib/dpkg/status.d/$name"
  done
}

# Licences stay.
thin_out() {
  local tree=$1
  find "$tree/usr/share/doc" -mindepth 2 ! -type d ! -name copyright -delete
  find "$tree/usr/share/doc" -mindepth 1 -depth -type d -empty -delete
  rm -rf "$tree"/usr/share/{man,info,locale,lintian,bug,bash-completion,pixmaps,applications,gdb,debconf,menu,python3/debian_defaults} \
    "$tree"/usr/lib/python3*/{pydoc_data,turtledemo} "$tree"/usr/lib/python3/dist-packages/*/tests "$tree"/usr/lib/python3*/test \
    "$tree"/{boot,home,media,mnt,srv,opt,usr/games,usr/src,var/backups,var/cache,var/mail,var/spool,var/local,var/log,etc/update-motd.d}
}

# What scripts of the packages would have made.
settle() {
  local tree=$1
  mkdir -p "$tree/etc/ssl/certs" "$tree/var/lib/bramble" "$tree/tmp"
  chmod 1777 "$tree/tmp"
  find "$tree/usr/share/ca-certificates/mozilla" -name '*.crt' -print0 | LC_ALL=C sort -z | xargs -0 cat >"$tree/etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0:root:/root:/usr/sbin/nologin\nbramble:x:%d:%d:Bramble:/var/lib/bramble:/usr/sbin/nologin\n' $USER_ID $USER_ID >"$tree/etc/passwd"
  printf 'root:x:0:\nbramble:x:%d:\n' $USER_ID >"$tree/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$tree/etc/nsswitch.conf"
}

# lay_bramble IMAGE ARCH TREE
lay_bramble() {
  local image=$1 arch=$2 tree=$3 package wheels
  for package in $(packages_of "$image"); do
    mkdir "$tree.deb"
    dpkg-deb --extract "$debs/bramble-${package}_${version}_all.deb" "$tree.deb"
    # Programs, modules and licences; no services, users or settings.
    (cd "$tree.deb" && for part in usr/bin usr/lib/bramble usr/share/doc/bramble-"$package"/copyright; do [ ! -e "$part" ] || cp -r --parents "$part" "$tree"; done)
    rm -rf "$tree.deb"
  done
  wheels=$(wheels_of "$image" "$arch")
  [ -z "$wheels" ] || fetch_wheels "$wheels" "$arch" "$tree/usr/lib/bramble/carried"
  if [ -e "$here/$image.yaml" ]; then install -D -m 0644 "$here/$image.yaml" "$tree/etc/kubeedge/config/$image.yaml"; fi
}

fetch_wheels() {
  local platforms=() tag
  for tag in manylinux_2_17 manylinux2014 manylinux_2_28 manylinux_2_31; do platforms+=(--platform "${tag}_$(machine_of "$2")"); done
  python3 -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --only-binary :all: --root-user-action ignore \
    --implementation cp --python-version $PYTHON "${platforms[@]}" --target "$work/wheels" --requirement "$1" 2>"$work/pip.log" \
    || { cat "$work/pip.log" >&2; fail "pip could not fetch $1 for $2"; }
  rm -rf "$work/wheels/bin" "$work"/wheels/*.dist-info/RECORD
  mkdir -p "$3"
  cp -r "$work/wheels/." "$3"
  rm -rf "$work/wheels"
}

# Bytecode is the same on every architecture, so this machine's Python of the same version makes it for all. Its validity hangs on no
# time stamp: those of images are set.
compile() {
  local tools=$work/tools loader
  loader=$(echo "$tools"/usr/lib/*/ld-linux*.so.?)
  # With another seed the same source gives other bytes.
  env -i PATH="$PATH" PYTHONHASHSEED=0 "$loader" --library-path "$(dirname "$loader")" "$tools/usr/bin/python$PYTHON" -sP -m compileall -q \
    --invalidation-mode unchecked-hash -s "$1" -p / "$1/usr/lib" >"$work/compile.log" 2>&1 || { tail -n 5 "$work/compile.log" >&2; fail "not everything compiles"; }
}

# pack TREE FILE TIME: names in order, no owners but those that the image has.
pack() {
  local tree=$1 file=$2 plain=(--sort=name --mtime="@$3" --numeric-owner --format=gnu)
  tar -c -C "$tree" "${plain[@]}" --owner=0 --group=0 --exclude=./var/lib/bramble -f "$file" .
  [ ! -d "$tree/var/lib/bramble" ] || tar -r -C "$tree" "${plain[@]}" --owner=$USER_ID --group=$USER_ID --mode=0700 -f "$file" ./var/lib/bramble
}

own_podman() { podman --root "$work/storage" --runroot "$work/run" --storage-driver "${STORAGE_DRIVER:-overlay}" --events-backend file "$@"; }

# layer ARCH NAME TIME ARGUMENT...
layer() {
  local arch=$1 name=$2 time=$3
  shift 3
  own_podman build --quiet --format oci --platform "$(platform_of "$arch")" --timestamp "$time" --tag "$name" "$@" >"$work/podman.log" 2>&1 \
    || { tail -n 20 "$work/podman.log" >&2; fail "podman could not build $name"; }
}

# build IMAGE ARCH
build() {
  local image=$1 arch=$2 tree=$work/$1-$2 name=localhost/bramble-$1:$version file=bramble-$1_${version}_$2.oci.tar
  mkdir -p "$tree/debian" "$tree/bramble" "$tree/below" "$tree/context"
  # shellcheck disable=SC2046
  lay_debian "$arch" "$tree/debian" $(dependencies "$image") $(beside "$image" "$arch")
  thin_out "$tree/debian"
  settle "$tree/debian"
  lay_bramble "$image" "$arch" "$tree/bramble"
  compile "$tree/debian"
  compile "$tree/bramble"
  pack "$tree/debian" "$tree/below/debian.tar" $DEBIANS_TIME
  pack "$tree/bramble" "$tree/context/bramble.tar" "$SOURCE_DATE_EPOCH"
  layer "$arch" "$name-$arch-below" $DEBIANS_TIME --file "$here/debian.Containerfile" "$tree/below"
  layer "$arch" "$name-$arch" "$SOURCE_DATE_EPOCH" --pull=never --build-arg DEBIAN="$name-$arch-below" \
    --label org.opencontainers.image.version="$version" --label org.opencontainers.image.revision="$revision" \
    --label org.opencontainers.image.created="$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --file "$here/$image.Containerfile" "$tree/context"
  # The archive bears the name under which the image shall be known.
  own_podman tag "$name-$arch" "$name"
  rm -f "$top/dist/$file"
  own_podman save --quiet --format oci-archive --output "$top/dist/$file" "$name"
  own_podman untag "$name" "$name"
  say "$file: $(($(stat -c %s "$top/dist/$file") / 1024)) KB to carry, $(($(own_podman inspect --format '{{.Size}}' "$name-$arch") / 1024)) KB unpacked, $(own_podman inspect --format '{{.Digest}}' "$name-$arch")"
  rm -rf "$tree"
}

# One archive for all architectures: what a registry keeps under one name.
join_arches() {
  local image=$1 name=localhost/bramble-$1:$version file=bramble-$1_$version.oci.tar arch
  own_podman manifest create "$name" >/dev/null
  for arch in $arches; do own_podman manifest add "$name" "containers-storage:$name-$arch" >/dev/null; done
  rm -f "$top/dist/$file"
  own_podman manifest push --quiet --all "$name" "oci-archive:$top/dist/$file:$name"
  say "$file: $arches, $(($(stat -c %s "$top/dist/$file") / 1024)) KB to carry"
}

umask 022
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$top/viaduct/__init__.py")
revision=$(git -C "$top" rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo $EPOCH_OF_NO_COMMIT)
export SOURCE_DATE_EPOCH
own=$(dpkg --print-architecture)
arches=${ARCHES:-$own}
[ $# -gt 0 ] || set -- cloudcore edgesite mappers
for image in "$@"; do packages_of "$image" >/dev/null; done
for arch in $arches; do platform_of "$arch" >/dev/null; done
need
debs=${DEBS:-$top/dist}
[ -n "${DEBS:-}" ] || "$top/packaging/deb.sh" >"$work/deb.log" 2>&1 || { tail -n 40 "$work/deb.log" >&2; fail "the Debian packages could not be built"; }
mkdir -p "$top/dist"
for arch in $(printf '%s\n' "$own" $arches | sort -u); do lay_apt "$arch"; done
mkdir "$work/tools"
lay_debian "$own" "$work/tools" python3 base-files
for image in "$@"; do
  for arch in $arches; do build "$image" "$arch"; done
  [ "$(wc -w <<<"$arches")" = 1 ] || join_arches "$image"
done
