#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run by tests/bench/run in a guest (vm/run --no-service): memory with many keys in the model, those
# that came one by one and those that a new daemon found; beside the ring, whose size is a setting.

set -uo pipefail
count=${1:-100000}
# Of a service of its own these would be nobody's.
keyctl link @u @s

resident() {
    awk '/^[0-9a-f]+-/ { ring = /bpf-map|bpf_ringbuf/ } /^Rss:/ && !ring { rss += $2 } END { printf "%.1f", rss / 1024 }' \
        "/proc/$(systemctl show -p MainPID --value keyscribed)/smaps"
}
peak() { awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$(systemctl show -p MainPID --value keyscribed)/status"; }
row() { printf '%-56s %8s MiB (largest, with the ring: %s MiB)\n' "$1" "$(resident)" "$(peak)"; }
# Idle for a while, the daemon gives back what it took meanwhile: until it is within its bound.
rest() {
    local deadline=$((SECONDS + 60))
    until awk -v mib="$(resident)" 'BEGIN { exit !(mib <= 64) }'; do
        ((SECONDS < deadline)) || return
        sleep 0.5
    done
}
start() {
    systemctl start keyscribed
    keyscribe wait ready --timeout 120
    keyscribe wait idle --timeout 1200
}

mkdir -p /etc/keyscribe/policy.d
rings=$(seq -s '|' -f 'many%g' 0 49)
echo "measure func=KEY_CHECK keyrings=$rings key_type=user|keyring op=all payload=none" >/etc/keyscribe/policy.d/10-many.policy
printf '[capture]\nring_size = "32 MiB"\n' >/etc/keyscribe/keyscribe.toml
echo 1000000 >/proc/sys/kernel/keys/root_maxkeys
echo 100000000 >/proc/sys/kernel/keys/root_maxbytes

echo "the daemon's memory, $count keys in 50 keyrings, $(uname -r)"
start
row "the daemon, no keys"
/share/build/many_keys "$count" 50
keyscribe wait idle --timeout 1200
keyscribe status | grep -E '^(captured|measured|lost)'
rest
row "the daemon, every key added before its eyes"
read -r seconds mib < <(/share/build/peak keyscribe keyrings)
echo "keyscribe keyrings: $seconds s, $mib MiB"
read -r seconds mib < <(/share/build/peak keyscribe keyrings --verify)
echo "keyscribe keyrings --verify: $seconds s, $mib MiB"
keyscribe keyrings --verify | tail -n 1
systemctl stop keyscribed
started=$SECONDS
start
echo "ready again after $((SECONDS - started)) s"
rest
row "the daemon, started again: a baseline of all"
keyscribe keyrings --verify | tail -n 1
