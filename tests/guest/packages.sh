#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh FOLDER: Debian packages of two builds (FOLDER/old, FOLDER/new) in a guest without the product: what
# an administrator does with them, and what is left. tests/guest/packages makes the folder and boots the guest.

. "$(dirname "$0")/lib.sh"
packages=$1
export DEBIAN_FRONTEND=noninteractive

# apt would fetch what is missing; the image has what the packages depend on.
install_packages() {
    local files
    mapfile -t files < <(find "$packages/$1" -name '*.deb')
    dpkg --force-confold -i "${files[@]}"
}
installed() { dpkg-query -W -f '${db:Status-Status} ${Version}' "$1"; }
pins() { find /sys/fs/bpf/keyscribe -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
# What stands in the file systems that outlive a boot, without dpkg's own.
everything() {
    find / -xdev \( -path /var/lib/dpkg -o -path "$work" -o -path /var/log -o -path /root -o -path /proc -o -path /run \
        -o -path /tmp -o -path /var/tmp \) -prune -o -print | LC_ALL=C sort
}

echo "# what a package's triggers and units call is written down"
# An initramfs takes minutes under emulation; tests/guest/initramfs makes one.
dpkg-divert --quiet --rename --add /usr/sbin/update-initramfs
printf '#!/bin/sh\necho "$*" >>%s\n' "$work/initramfs-calls" >/usr/sbin/update-initramfs
chmod +x /usr/sbin/update-initramfs
everything >"$work/before"

echo "# install"
check "the packages install" install_packages old
equal "status" "$(installed keyscribe | cut -d' ' -f1)" installed
check "the group is there" getent group keyscribe
equal "the service is enabled" "$(systemctl is-enabled keyscribed)" enabled
equal "and started" "$(systemctl is-active keyscribed)" active
equal "AppArmor confines it" "$(confined keyscribed)" "keyscribed (enforce)"
equal "it waits for a policy" "$(status '.state + " " + .waiting_for[0]')" "waiting policy"
check "the initramfs is made anew" grep -qx -- -u "$work/initramfs-calls"
# By dpkg's list: the image leaves out what stands in /usr/share/doc and man.
has() { dpkg -L keyscribe | grep -qx "$1"; }
check "it has manual pages" has /usr/share/man/man8/keyscribed.8.gz
check "it says what it is made of" has /usr/share/doc/keyscribe/keyscribe.spdx.json
equal "the other command has the same version" "$(keyscribe-tools --version | cut -d' ' -f2)" \
    "$(keyscribe --version | cut -d' ' -f2)"

echo "# as README says"
check "doctor" keyscribe doctor
check "a policy is shipped" cp /usr/share/keyscribe/policy/trusted-keyrings.policy $policy_dir/
check "reload" keyscribe reload
check "ready" keyscribe wait ready --timeout 60
check "our policy" policy 10-load 'measure func=KEY_CHECK keyrings=load key_type=user op=create|update payload=full'
echo '# ours' >>/etc/keyscribe/keyscribe.toml
sha256=$(sha256 /etc/keyscribe/keyscribe.toml)

echo "# the verifier"
refute "nobody starts it unasked" systemctl is-active keyscribe-verifier
check "it starts without a configuration" systemctl start keyscribe-verifier
equal "AppArmor confines it" "$(confined keyscribe-verifier)" "keyscribe-verifier (enforce)"
check "it serves" wait_for 60 curl -skf https://127.0.0.1:8443/healthz
check "an operator's command opens its database" keyscribe-verifier tokens list
check "its database is its own" test "$(stat -c %a /var/lib/private/keyscribe-verifier/verifier.db* | sort -u)" = 600
check "it stops" systemctl stop keyscribe-verifier

echo "# upgrade while keys pour in"
daemon=$(sha256 /usr/sbin/keyscribed)
set_before=$(ls /sys/fs/bpf/keyscribe)
: >"$work/initramfs-calls"
# Ten a second: the emulated CPUs have the upgrade to do as well.
/share/bin/keyload load 2 0 100 200000 >"$work/load" &
loader=$!
size=$(stat -c %s $list)
grown() { (($(stat -c %s $list) > size)); }
check "keys pour in" wait_for 60 grown
check "the packages upgrade" install_packages new
check "ready" keyscribe wait ready --timeout 120
size=$(stat -c %s $list)
check "keys pour in" wait_for 120 grown
kill $loader
wait $loader
check "all is measured in the end" keyscribe wait idle --timeout 120
refute "it is another daemon" test "$(sha256 /usr/sbin/keyscribed)" = "$daemon"
refute "and other programs" test "$(ls /sys/fs/bpf/keyscribe)" = "$set_before"
equal "one set of them" "$(pins)" 1
counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
# shellcheck disable=SC2086 # words
check "each key once, in order, nothing lost or made up" "$(dirname "$0")/check_list.py" $list $counts
# shellcheck disable=SC2086 # words
"$(dirname "$0")/check_list.py" $list $counts | tee "$work/result"
equal "nothing was lost" "$(awk '$1 == "missing" || $1 == "accounted" { print $2 }' "$work/result" | tr '\n' ' ')" "0 0 "
check "evmctl matches" evmctl_matches
equal "the PCR agrees with the list" "$(replay sha256)" "$(pcr sha256)"
equal "the changed configuration is kept" "$(sha256 /etc/keyscribe/keyscribe.toml)" "$sha256"
check "the new one lies beside it" test -e /etc/keyscribe/keyscribe.toml.dpkg-dist
check "the policy is kept" test -e $policy_dir/10-load.policy
check "the initramfs is made anew" grep -qx -- -u "$work/initramfs-calls"

equal "AppArmor confines the new one" "$(confined keyscribed)" "keyscribed (enforce)"

echo "# remove"
: >"$work/initramfs-calls"
check "the package goes" sh -c "dpkg -r keyscribe >$work/removed 2>&1"
check "it says that the programs went" grep -q '^keyscribe: 1 sets of programs detached' "$work/removed"
equal "they did" "$(pins)" 0
refute "no service" systemctl cat keyscribed
check "the initramfs is made anew" grep -qx -- -u "$work/initramfs-calls"
check "configuration, policy and list stay" ls /etc/keyscribe/keyscribe.toml $policy_dir/10-load.policy $list

echo "# install again"
entries=$(stat -c %s $list)
check "the packages install" install_packages new
check "ready" keyscribe wait ready --timeout 60
certificate again
check "a key" sh -c "keyctl padd user again $(keyctl newring load @u) <$work/again.der"
settle
check "the list goes on" test "$(stat -c %s $list)" -gt "$entries"
check "the key is told" told again
equal "the PCR agrees with the list" "$(replay sha256)" "$(pcr sha256)"

echo "# purge"
check "the packages go" dpkg -P keyscribe keyscribe-tools keyscribe-verifier libkeyscribe-appraise-dev libkeyscribe-appraise1
equal "the programs too" "$(pins)" 0
everything >"$work/after"
# dpkg removes no group: the journal's files are its. The caches are libc's and AppArmor's, whose debhelper takes its empty
# folders away, too.
equal "nothing is left" "$(diff "$work/before" "$work/after" |
    grep '^[<>]' | grep -vE '/etc/(group|gshadow)-?$|/var/cache/(ldconfig/aux-cache|apparmor/.*)$|^< /etc/apparmor.d/disable$')" ""
equal "nor in the BPF file system" "$(ls -d /sys/fs/bpf/keyscribe 2>/dev/null)" ""
check "but the journal" sh -c 'ls /var/log/keyscribe/*/events.jsonl'
check "and, until the next boot, the list" test -e $list
equal "no unit of ours failed" "$(systemctl --failed --no-legend | grep keyscribe)" ""

echo "# the same as a system extension"
mkdir -p /var/lib/extensions $policy_dir
cp "$packages/new/keyscribe.raw" /var/lib/extensions/
entries=$(stat -c %s $list)
# The image has no unit that loads it (vm/image).
modprobe loop
check "it is merged" systemd-sysext merge
check "the group is made" systemd-sysusers
systemctl daemon-reload
echo 'measure func=KEY_CHECK keyrings=load key_type=user' >$policy_dir/10-load.policy
check "the service starts with the system" sh -c \
    'systemctl list-dependencies --plain sysinit.target | grep -q keyscribed.service'
check "it starts" systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
check "a key" sh -c "keyctl padd user extended $(keyctl newring load @u) <$work/again.der"
settle
check "the key is told" told extended
check "the list goes on" test "$(stat -c %s $list)" -gt "$entries"
check "it is stopped" systemctl stop keyscribed
check "the programs are detached" keyscribe detach
check "it is taken away" systemd-sysext unmerge
refute "nothing is left in /usr" test -e /usr/bin/keyscribe
# finish asks the daemon where something failed; there is none.
finish
