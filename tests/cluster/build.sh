#!/usr/bin/env bash
# Builds a Kubernetes control plane from the source packages of Debian 12 and prints the folder that holds its programs.
#
#   tests/cluster/build.sh
#
# They are kept by version, in $CACHE or ~/.cache/bramble-test-cluster: the second call builds nothing. Nothing is installed and no apt list of
# this machine changes. Needs apt, dpkg-dev, the network, 4 GB of disk while it builds (300 MB afterwards) and some minutes. Broken off and called
# again, it compiles only what is left.
set -euo pipefail

say() { printf '[test-cluster] %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

SUITE=bookworm
GO=golang-1.19
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble-test-cluster}
work=$cache/building
compiled=$cache/compiled

# apt with lists of its own, for the one suite that has these packages.
lay_apt() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
  mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial
  for kind in deb deb-src; do
    echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian/} $SUITE main"
  done >"$work/apt/sources.list"
  own_apt update -qq
}

own_apt() {
  apt-get -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=false "$@" >&2
}

# Tools are unpacked, not installed.
fetch_tools() {
  mkdir -p "$work/debs" "$work/tools"
  (cd "$work/debs" && own_apt download -qq "$GO-go" "$GO-src" etcd-server etcd-client golang-github-modern-go-reflect2-dev)
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/tools"; done
}

fetch_source() {
  mkdir -p "$work/gopath/src/k8s.io"
  (cd "$work" && own_apt source -qq --download-only kubernetes)
  dpkg-source --no-check -x "$work"/kubernetes_*.dsc "$source" >&2
}

# Kubernetes 1.20 was written for Go 1.15. With Debian's Go its API server crashes at the first custom object (reflect2), and takes every
# empty text in one for null (validate). Both are as later versions have them.
mend_source() {
  local vendor=$source/vendor
  rm -r "$vendor/github.com/modern-go/reflect2"
  cp -r "$work/tools/usr/share/gocode/src/github.com/modern-go/reflect2" "$vendor/github.com/modern-go/"
  sed -i 's/if data == nil || reflect.DeepEqual(reflect.Zero(reflect.TypeOf(data)), reflect.ValueOf(data)) {/if data == nil {/' \
    "$vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go" "$vendor/github.com/go-openapi/validate/type.go"
}

in_go() {
  env -C "$source" GOROOT="$work/tools/usr/lib/go-${GO#golang-}" GOPATH="$work/gopath" GOCACHE="$compiled" GO111MODULE=off CGO_ENABLED=0 \
    GOMAXPROCS=2 GOFLAGS=-p=2 PATH="$work/tools/usr/lib/go-${GO#golang-}/bin:$PATH" nice -n 19 "$@" >&2
}

# The only generated file that the source package leaves out; its Makefile would build six generators to get there.
generate_openapi() {
  local inputs
  in_go go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  inputs=$(cd "$source" && grep -rlE --include='*.go' '^// *\+k8s:openapi-gen=' pkg vendor/k8s.io/*/ \
    | grep -v -e /code-generator/ -e /sample-apiserver/ -e /kube-openapi/ | xargs -n1 dirname | LC_ALL=C sort -u | sed 's,^,k8s.io/kubernetes/,' | paste -sd,)
  in_go "$work/openapi-gen" -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h hack/boilerplate/boilerplate.generatego.txt -r "$work/openapi-report"
}

# Without what speaks to the clouds of Amazon, Google and Microsoft: much of the work, and no test needs it.
compile() {
  local flags="-s -w" package part
  for package in k8s.io/client-go/pkg/version k8s.io/component-base/version; do
    for part in "gitVersion=v$upstream" "gitMajor=${upstream%%.*}" "gitMinor=$(cut -d. -f2 <<<"$upstream")"; do
      flags="$flags -X k8s.io/kubernetes/vendor/$package.$part"
    done
  done
  mkdir -p "$work/programs"
  for program in kube-apiserver kube-controller-manager kube-scheduler; do
    say "$(date +%T) building $program $upstream"
    in_go go build -tags providerless -ldflags "$flags" -o "$work/programs/" "./cmd/$program"
  done
  cp "$work"/tools/usr/bin/etcd "$work"/tools/usr/bin/etcdctl "$work/programs/"
}

mkdir -p "$cache"
found=$(find "$cache" -maxdepth 2 -path "$cache/$SUITE-*" -name kube-scheduler | sort -V | tail -n 1)
if [ -n "$found" ] && [ -z "${AGAIN:-}" ]; then dirname "$found"; exit 0; fi

command -v dpkg-source >/dev/null || fail "dpkg-source is missing: apt-get install dpkg-dev"
rm -rf --one-file-system "$work"
mkdir -p "$work"
source=$work/gopath/src/k8s.io/kubernetes
say "$(date +%T) fetching"
lay_apt
fetch_tools
fetch_source
mend_source
version=$(dpkg-parsechangelog -l "$source/debian/changelog" -S Version)
upstream=$(sed -E 's/.*really//; s/-.*//' <<<"$version")
generate_openapi
compile
rm -rf --one-file-system "${cache:?}/$SUITE-$upstream"
mv "$work/programs" "$cache/$SUITE-$upstream"
chmod -R u+w "$work" && rm -rf --one-file-system "$work" "$compiled"
say "$(date +%T) done"
echo "$cache/$SUITE-$upstream"
