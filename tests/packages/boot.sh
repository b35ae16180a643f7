# In namespaces of its own: systemd as PID 1 over the tree named by the argument, in the control group of its name (group.sh).
set -eu
tree=$1
. "$(dirname "$0")/group.sh"
if [ -z "${2:-}" ]; then
  mount --make-rprivate /
  mount -t cgroup2 cgroup2 "$tree/sys"
  mkdir -p "$tree/sys/$(group_of "$tree")"
  echo 0 >"$tree/sys/$(group_of "$tree")/cgroup.procs"
  umount "$tree/sys"
  exec unshare --cgroup /bin/bash "$0" "$tree" in-its-group
fi
hostname board1
ip link set lo up
mount --rbind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$tree/dev"
mkdir "$tree/dev/pts" "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$tree/dev/pts"
mount -t tmpfs tmpfs "$tree/dev/shm"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  set -- $device
  mknod -m 0666 "$tree/dev/$1" c "$2" "$3"
done
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
: >"$tree/dev/console"
# Not chroot: the kernel refuses user namespaces (PrivateUsers=) to whoever lives in one.
mkdir -p "$tree/old"
cd "$tree"
pivot_root . old
exec /usr/bin/env -i container=bramble-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c 'umount -l /old && exec "$@"' sh \
  /lib/systemd/systemd --show-status=yes --log-target=console --log-level=notice
