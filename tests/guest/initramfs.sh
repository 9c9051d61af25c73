#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# In a guest that came up by an initramfs with our hook in it, and a site's script that added a key
# (tests/guest/initramfs boots it): what was recorded before the root was mounted, and what the boot
# waited for. initramfs.sh MAKER

. "$(dirname "$0")/lib.sh"

# When the kernel's log says this first, in milliseconds: said PATTERN
said() { dmesg | grep -m 1 -E "$1" | sed 's/^\[ *\([0-9]*\)\.\([0-9]\{3\}\).*/\1\2/'; }
# A time of systemd's, since boot, in milliseconds: at UNIT PROPERTY
at() { echo $(($(systemctl show -p "$2TimestampMonotonic" --value "$1") / 1000)); }
# From the start of the process to READY=1.
start_took() { echo $(($(at keyscribed ActiveEnter) - $(at keyscribed ExecMainStart))); }
# earlier WHAT MILLISECONDS THAN
earlier() { check "$1 ($2 ms, $3 ms)" test "${2:-0}" -gt 0 -a "$2" -lt "${3:-0}"; }
# How long sysinit.target waited for the daemon alone: from its start, or from the moment when all else
# was there, if that is later.
boot_waited() {
    local unit last time
    last=$(at keyscribed InactiveExit)
    for unit in $(systemctl show -p After --value sysinit.target); do
        [[ $unit != keyscribed.service ]] || continue
        time=$(at "$unit" ActiveEnter)
        ((time <= last)) || last=$time
    done
    time=$(($(at keyscribed ActiveEnter) - last))
    echo $((time > 0 ? time : 0))
}

echo "# $1: before the root is mounted"
attaching=$(said 'keyscribe: attaching')
attached=$(said 'keyscribe: attached')
earlier "attached" "$attaching" "$attached"
earlier "then udev has the root's driver loaded" "$attached" "$(said ' \[vda\] ')"
earlier "and the root is mounted" "$attached" "$(said 'EXT4-fs \(vda\): mounted')"
check "a failure is said" test "$(said 'keyscribe: .*keyscribe.toml.*has to be TOML')" -gt 0
check "and what follows goes on" test "$(said 'site: the end')" -gt 0
refute "our script fails nowhere" said 'site: .*failed'

echo "# the service"
check "has adopted the programs" sh -c 'journalctl -b -u keyscribed -o cat | grep "^adopted: "'
equal "there is one set of them" "$(find /sys/fs/bpf/keyscribe -mindepth 1 -maxdepth 1 | wc -l)" 1
equal "for root alone" "$(stat -c %a /sys/fs/bpf /sys/fs/bpf/keyscribe | tr '\n' ' ')" "1700 700 "
equal "is up, and waits for a policy" "$(systemctl is-active keyscribed) $(status '.waiting_for | index("policy") != null')" "active true"
certificate late
keyctl padd asymmetric "" %:early <"$work/late.der" >/dev/null
policy 10-early 'measure func=KEY_CHECK keyrings=early'
check "ready" keyscribe wait ready --timeout 60
settle
equal "the key of the initramfs is in the list, before the one that came later" \
    "$(digests_of early | tr '\n' ' ')" \
    "sha256:$(sha256 /etc/site/early.der) sha256:$(sha256 "$work/late.der") "
equal "and what added it is known" \
    "$(events | jq -r 'select(.op == "create" and .key.type == "asymmetric") | .actor.exe' | head -n 1)" \
    /usr/bin/keyctl
equal "nothing was lost" "$(status '.counters | "\(.lost) \(.missed) \(.dropped)"')" "0 0 0"
check "evmctl matches" evmctl_matches

echo "# the boot"
check "systemd-analyze knows of it" systemd-analyze critical-chain keyscribed.service
systemd-analyze critical-chain keyscribed.service sysinit.target
waited=$(boot_waited)
adopting_took=$(start_took)
systemctl stop keyscribed
check "the programs are detached" keyscribe detach
systemctl start keyscribed
attaching_took=$(start_took)
# When the journal got the line that says so, and it may get it later than we come here.
attached_at() {
    journalctl -b -u keyscribed -o json |
        jq -r 'select(.MESSAGE | startswith("attached: ")) | .__MONOTONIC_TIMESTAMP' | grep .
}
check "the journal says that it attached" wait_for 30 attached_at
logged=$(attached_at | tail -n 1)
after=$(($(at keyscribed ActiveEnter) - logged / 1000))
check "adopting is quicker than attaching ($adopting_took ms, $attaching_took ms)" \
    test "$adopting_took" -lt "$attaching_took"
check "the boot waited no longer than it takes to attach ($waited ms, $attaching_took ms)" \
    test "$waited" -le "$attaching_took"
check "it is ready once attached (after $after ms more)" test "$after" -lt $((attaching_took / 2))
echo "$1: attached in the initramfs in $((attached - attaching)) ms; the service ready in $adopting_took ms" \
    "where it adopted, in $attaching_took ms where it attached; the boot waited $waited ms for it"
finish
