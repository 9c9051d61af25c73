#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# As many events as four processes can make, with the default ring: each is measured, or told as lost, to the last one
# (run with tests/guest/share as the share). 20,000 in a second are more than the ring of 8 MiB holds: none is lost
# while the daemon gets a processor, which another guest on the same machine can keep from it. Then a ring that is too small.
# EVENTS: how many (20000).

. "$(dirname "$0")/lib.sh"

events=${EVENTS:-20000}

mkdir -p $policy_dir
printf '[journal]\nenabled = false\n' >/etc/keyscribe/keyscribe.toml
check "the service starts" systemctl restart keyscribed
policy 10-load 'measure func=KEY_CHECK keyrings=load key_type=user op=create|update payload=full' >/dev/null
check "ready" keyscribe wait ready --timeout 120
settle
before=$(stat -c %s $list)
measured=$(status .counters.measured)
extends=$(status .counters.extends)
inject /share/bin/keyload load 4 $((events / 4)) 100 >"$work/load" || fail "the load"
seconds=$(awk '/seconds/ { print $2 }' "$work/load")
counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
waiting=$(status .counters.waiting)
awk -v n="$events" -v s="$seconds" -v w="$waiting" 'BEGIN {
    printf "        %d events in %.1f s: %.0f a second; %d waited in the end\n", n, s, n / s, w }'
start=$SECONDS
check "all are measured in the end" keyscribe wait idle --timeout 600
echo "        $((SECONDS - start)) s later, with $(($(status .counters.extends) - extends)) extends"
lost=$(status .counters.lost)
echo "        $lost of $events were lost"
equal "none was dropped" "$(status .counters.dropped)" 0
equal "all others are measured" "$(($(status .counters.measured) - measured))" "$((events - lost))"
equal "the list says how many were lost" "$(records_of loss | jq -s 'map(.count) | add // 0')" "$lost"
# shellcheck disable=SC2086 # words
check "each once and in order" "$(dirname "$0")/check_list.py" $list --from "$before" $counts
# shellcheck disable=SC2086
"$(dirname "$0")/check_list.py" $list --from "$before" $counts >"$work/result"
echo "injected: $(wc -l <"$work/injected"); of $events events lost: $(awk '$1 == "missing" { print $2 }' "$work/result"), recorded as such: $lost"

echo "# more than a small ring can take: received + lost = issued"
printf '[capture]\nring_size = "64 KiB"\n' >/etc/keyscribe/keyscribe.toml
check "a ring of 64 KiB" systemctl restart keyscribed
policy 10-small 'measure func=KEY_CHECK keyrings=small key_type=user op=create|update payload=full' >/dev/null
check "ready" keyscribe wait ready --timeout 60
before=$(stat -c %s $list)
# The daemon stands still while the ring overflows. 3,000 bytes: room is reserved for 32 KiB (record.bpf.h), so
# where there is none for a payload there still is some for records.
daemon=$(pid)
inject kill -STOP "$daemon"
/share/bin/keyload small 4 250 3000 >"$work/load" || fail "the load"
kill -CONT "$daemon"
settle
counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
# shellcheck disable=SC2086 # words
check "each once, in order, none made up" "$(dirname "$0")/check_list.py" $list --from "$before" $counts
# shellcheck disable=SC2086
"$(dirname "$0")/check_list.py" $list --from "$before" $counts | tee "$work/result"
result() { awk -v what="$1" '$1 == what { print $2 }' "$work/result"; }
equal "to the last one" "$(($(result received) + $(result bare) + $(result accounted)))" 1000
check "something was lost at all" test "$(result accounted)" -gt 0
check "and records without payload came before that" test "$(result bare)" -gt 0
equal "the list says how many" "$(records_of loss | jq -s 'map(.count) | add')" "$((lost + $(result accounted)))"
equal "so does the status" "$(status '"\(.counters.lost) \(.counters.no_room)"')" "$(result accounted) $(result bare)"
check "and the metrics" sh -c "curl -s --unix-socket $list_dir/control.sock http://localhost/v1/metrics |
    grep -qx 'keyscribe_events_lost_total $(result accounted)'"
echo "injected: 1; of $(result issued) events lost: $(result accounted), recorded as such: $(result accounted)"
finish
