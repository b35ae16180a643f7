# Runs in a fresh tree with a network and no systemd as PID 1.
. /packages/claims.sh

ours=(/packages/bramble-*.deb)
# What the packages need comes first, so that the purge is judged by what they themselves leave.
# CloudCore's recommended packages too: its sinks want them.
needs() { { for package in "${ours[@]}"; do dpkg-deb -f "$package" Depends; done; recommended bramble-cloudcore; } | tr ',' '\n' | sed -E 's/\(.*//; s/\|.*//; s/:any//; s/ //g' | grep -v '^bramble' | sort -u; }
recommended() { for package in /packages/"$1"_*.deb; do [ ! -e "$package" ] || dpkg-deb -f "$package" Recommends; done; }
apt-get update -qq || exit 1
apt-get install -y -qq --no-install-recommends $(needs) mosquitto dbus >/packages/apt.log 2>&1 || { tail -n 20 /packages/apt.log; exit 1; }
everything >/packages/before

install() { apt-get install -y -qq --no-install-recommends "${ours[@]}"; }
said=$(install 2>&1) || { echo "$said"; exit 1; }
next_named() { grep -q "edgecore join --cloud" <<<"$said" && { [ $cloud = no ] || grep -q "systemctl enable --now edgesite" <<<"$said"; }; }
compiled() { [ -n "$(find /usr/lib/bramble -name '*.pyc' -path "*/$1/*" | head -n 1)" ]; }
purged() { apt-get purge -y -qq 'bramble-*'; }
nothing_left() { everything | diff /packages/before -; }
# systemd before 254 has no back-off between restarts, and says so.
verified() {
  local complaints
  complaints=$(systemd-analyze verify --man=no $(printf "/lib/systemd/system/%s.service " $programs bramble-mapper@) 2>&1 \
    | grep -vE "Unknown key.* '(RestartSteps|RestartMaxDelaySec)'")
  [ -z "$complaints" ] || { echo "$complaints"; return 1; }
}
mode() { [ "$(stat -c '%a %U' "$1")" = "$2" ]; }

claim "the installation names the next commands" next_named
for program in $programs; do
  claim "$program says its version" $program --version
  claim "$program prints its defaults" $program --defaultconfig
done
[ $cloud = no ] || claim "cloudstub says its version" cloudstub --version
claim "the mapper knows its protocols" sh -c "COLUMNS=200 bramble-mapper --help | grep -q 'installed: bluetooth, gpio, i2c, modbus, serial'"
claim "a wrong flag ends with 2" sh -c 'edgecore --config /none; [ $? = 2 ]'
for package in $programs mappers viaduct carried; do claim "$package is compiled" compiled $package; done
claim "the state folder gives away no names" mode /var/lib/bramble "711 root"
[ $cloud = no ] || claim "a site may write its kubeconfig" mode /etc/bramble/edgesite "750 bramble-edgesite"
claim "certificates are for root only" mode /etc/kubeedge/certs "700 root"
claim "systemd finds nothing wrong with the units" verified
claim "everything is purged" purged
claim "the purge leaves nothing" nothing_left
end_of_claims
