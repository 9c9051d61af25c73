#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# More events than the ring, or a slow TPM, can take: what was received and what was lost add up to
# what was issued, to the last one (run with tests/guest/share as the share).
# EVENTS: how many the large burst has (200000).

. "$(dirname "$0")/lib.sh"

bin=/share/bin
events=${EVENTS:-200000}
export LD_LIBRARY_PATH=$bin

configure() {
    printf '%s\n' "$@" >/etc/keyscribe/keyscribe.toml
    systemctl restart keyscribed
    policy 10-load 'measure func=KEY_CHECK keyrings=load key_type=user op=create|update payload=full' >/dev/null
    keyscribe wait ready --timeout 120
}
counter() { status ".counters.$1"; }

# load PROCESSES COUNT [PAUSE]: sets counts, as check_list.py wants them, and seconds.
load() {
    "$bin/keyload" load "$1" "$2" 100 "${3:-0}" >"$work/load" || fail "keyload"
    counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
    seconds=$(awk '/seconds/ { print $2 }' "$work/load")
}

echo "# a ring of 64 KiB"
mkdir -p $policy_dir
configure '[capture]' 'ring_size = "64 KiB"' '[journal]' 'enabled = false'
# The daemon stands still while the ring overflows.
pid=$(systemctl show -p MainPID --value keyscribed)
kill -STOP "$pid"
load 4 1000
kill -CONT "$pid"
settle
check "received + lost = issued" "$(dirname "$0")/check_list.py" $list $counts
"$(dirname "$0")/check_list.py" $list $counts | tee "$work/result"
lost=$(awk '$1 == "accounted" { print $2 }' "$work/result")
received=$(awk '$1 == "received" { print $2 }' "$work/result")
equal "to the last one" "$((received + lost))" 4000
check "something was lost at all" test "$lost" -gt 0
equal "status says how many" "$(counter lost)" "$lost"
check "metrics too" sh -c "curl -s --unix-socket /run/keyscribe/control.sock http://localhost/metrics | grep -q 'lost.* $lost\$' || ! command -v curl"

echo "# the default ring: $events events of 100 bytes from four processes"
rm -f $list_dir/spool
configure '[journal]' 'enabled = false'
before=$(stat -c %s $list)
load 4 $((events / 4))
echo "        $(awk -v n="$events" -v s="$seconds" 'BEGIN { printf "%d events in %.1f s: %.0f a second", n, s, n / s }')"
waiting=$(counter waiting)
start=$SECONDS
keyscribe wait idle --timeout 600
echo "        $waiting waited when the last was issued; measured $((SECONDS - start)) s later, $(counter extends) extends"
equal "none was lost" "$(counter lost) $(counter dropped)" "0 0"
equal "all are measured" "$(counter measured)" "$events"
check "each once and in order" "$(dirname "$0")/check_list.py" $list --from "$before" $counts
echo "injected: overloads 2; lost: $lost in the small ring (all accounted for), $(counter lost) in the default one"
finish
