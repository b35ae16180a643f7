# The control group of a tree. Without one of its own its systemd would take services of another tree that runs at the same time for its own: wait
# for their ends, and kill them. Sourced.

group_of() { echo "bramble-test-$(basename "$(dirname "$1")")-$(basename "$1")"; }

# Once all in it has ended.
remove_group() {
  unshare --mount sh -c '
    mount --make-rprivate /
    mount -t cgroup2 cgroup2 "$1/sys"
    if [ -d "$1/sys/$2" ]; then find "$1/sys/$2" -depth -type d -exec rmdir {} \;; fi' sh "$1" "$(group_of "$1")"
}
