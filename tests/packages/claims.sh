# What both scripts in the tree say their claims with.
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

failures=0
# Whether this suite has CloudCore and the site (decision 0090).
cloud=no
if compgen -G '/packages/bramble-edgesite_*' >/dev/null; then cloud=yes; fi
programs=edgecore
if [ $cloud = yes ]; then programs="edgecore cloudcore edgesite"; fi
holds() { printf '  ok    %s\n' "$1"; }
broken() { printf '  WRONG %s\n%s\n' "$1" "$2"; failures=$((failures + 1)); }

# claim TEXT COMMAND...: the command succeeds.
claim() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then holds "$text"; else broken "$text" "$output"; fi
}

# eventually TEXT SECONDS COMMAND...: it succeeds within so long.
eventually() {
  local text=$1 end=$((SECONDS + $2)) output
  shift 2
  until output=$("$@" 2>&1); do
    if [ $SECONDS -ge $end ]; then broken "$text" "$output"; return; fi
    sleep 0.2
  done
  holds "$text"
}

# Every file where packages and programs of ours put any, without what apt, dpkg and other packages keep for themselves.
everything() {
  find /etc /usr /var/lib /lib/systemd /run -xdev 2>/dev/null \
    | grep -vE '^/(var/lib/(dpkg|apt|systemd|ucf|dbus|polkit)|run/(systemd|dbus|log|user|udev|lock)|etc/\.pwd\.lock|etc/(passwd|group|shadow|gshadow|subuid|subgid)|etc/machine-id)' \
    | grep -v __pycache__ | sort
}

end_of_claims() {
  if [ $failures -gt 0 ]; then echo "$failures claims do not hold"; exit 1; fi
  echo "every claim holds"
}
